"""What a step's tokens do to their sequences: they grow, wait for granted tokens, or end. Each change is an event."""

from collections.abc import Sequence as Ordered
from typing import Literal

from serving.engine.batch import Batch
from serving.engine.sampler import Sampled, Sampler
from serving.engine.scheduler import Scheduler
from serving.engine.sequence import Sequence, Stage
from serving.engine.statistics import Counters
from serving.errors import ServingError
from serving.types import End, Outcome, TokenEvent


class Outputs:
    """Applies sampled tokens and ends sequences. Owned by the engine thread."""

    def __init__(self, scheduler: Scheduler, sampler: Sampler, counters: Counters) -> None:
        self._scheduler, self._sampler, self._counters = scheduler, sampler, counters

    def advance(self, batch: Batch, sampled: Ordered[Sampled], now: float) -> list[TokenEvent]:
        """Takes the results of a step that ended at `now`: one event per sampled token.

        sampled: for the rows of `batch.sampling`, in their order.
        """
        self._scheduler.pace.record(batch.decode_rows, batch.prefill_tokens, now - batch.began_at)
        self._counters.steps += 1
        for row in batch.rows:
            first, again = row.sequence.advance(row.end)
            self._counters.prompt_tokens += first
            self._counters.recomputed_tokens += again
        return [self._append(sequence, each) for sequence, each in zip(batch.sampling, sampled, strict=True)]

    def end(
        self, sequence: Sequence, outcome: Outcome, error: str | None = None, cause: ServingError | None = None
    ) -> TokenEvent:
        """Ends a sequence that did not finish. Drops text that was held back: it may be the start of a stop string."""
        if sequence.stage is not Stage.ENDED:
            self._scheduler.end(sequence)
        reason: Literal["abort", "error"] = "abort" if error is None else "error"
        end = End(outcome, reason, sequence.usage, error, cause, queued_s=sequence.queued_s)
        return TokenEvent(sequence.request_id, (), "", end=end, choice=sequence.choice)

    def _append(self, sequence: Sequence, sampled: Sampled) -> TokenEvent:
        """Adds a sampled token; ends the sequence after its last token, parks it after its last granted one."""
        token = sampled.token
        if token is None:
            self._scheduler.fail(sequence)
            return self.end(sequence, Outcome.FAILED, error=sequence.why_no_token)
        sequence.append(token)
        self._counters.output_tokens += 1
        if sequence.output_len == 1:
            self._scheduler.publish(sequence)
        at_stop = token in self._sampler.stop_ids(sequence)
        text, stopped = ("", False) if at_stop else sequence.text.push(token)
        complete = at_stop or (sequence.matcher is not None and sequence.matcher.advance(token))
        end, parked = None, False
        if stopped or complete or sequence.output_len == sequence.max_new_tokens:
            rest, end = self._finish(sequence, stopped=stopped, complete=complete)
            text += rest
        elif sequence.output_len == sequence.granted_tokens:
            self._scheduler.park(sequence)
            parked = True
        logprobs = () if sampled.logprobs is None else (sampled.logprobs,)
        return TokenEvent(sequence.request_id, (token,), text, parked, end, logprobs, sequence.choice)

    def _finish(self, sequence: Sequence, *, stopped: bool, complete: bool) -> tuple[str, End]:
        """Ends a sequence with its last token. Returns the text that was held back, and the End."""
        rest = ""
        if not stopped:
            rest, stopped = sequence.text.flush()
        self._scheduler.end(sequence)
        reason: Literal["stop", "length"] = "stop" if stopped or complete else "length"
        return rest, End(Outcome.FINISHED, reason, sequence.usage, queued_s=sequence.queued_s)
