"""Which layers of the served base model an adapter may change, and which names for that base are accepted."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath, PureWindowsPath
from typing import NamedTuple

from serving.adapters.base_weights import BaseWeights

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_COMMIT = re.compile(r"[0-9a-f]{40}")


class LinearShape(NamedTuple):
    """A linear layer y = x @ W.T + bias with W: [d_out, d_in]."""

    d_in: int
    d_out: int
    has_bias: bool = False


class End(NamedTuple):
    """The embedding or the LM head. An embedding [d_in, d_out] is a linear layer whose input is one-hot."""

    full_name: str
    shape: LinearShape


@dataclass(frozen=True, slots=True)
class BaseShape:
    """The linear layers of the served base, in layer order, under the names that LoRA uses for them.

    modules: short name such as "layers.3.self_attn.q_proj" → shape. `prefix + short name` is the module's full name in
    the Hugging Face model, which PEFT matches its patterns against. ends: the embedding and the head, under the names
    `EMBEDDING` and `HEAD` of `serving.lora.slot`, if they accept adapters. tied: the two share one weight. unserved:
    full names of layers that an adapter could target, but that this node does not adapt. aliases: other values of
    `base_model_name_or_path` that mean this base (hub id, folder). revision: the hub commit of the base, if known.
    weights: the base's weights, for adapters that depend on them.
    """

    name: str
    modules: Mapping[str, LinearShape]
    prefix: str = "model."
    unserved: frozenset[str] = frozenset({"model.embed_tokens", "lm_head"})
    aliases: frozenset[str] = frozenset()
    revision: str | None = None
    ends: Mapping[str, End] = field(default_factory=dict)
    tied: bool = False
    weights: BaseWeights | None = None

    def is_called(self, named: str) -> bool:
        """Whether `named` (an adapter's base_model_name_or_path) means this base.

        Two hub ids must agree in organization and name. A folder does not show the organization, so if either of the
        two is a folder, only the last components are compared. Case is ignored, as on the hub.
        """
        org, leaf = _organization_and_leaf(named)
        for alias in {self.name, *self.aliases}:
            alias_org, alias_leaf = _organization_and_leaf(alias)
            if leaf == alias_leaf and (org is None or alias_org is None or org == alias_org):
                return True
        return False

    def contradicts_revision(self, revision: str) -> bool:
        """Whether `revision` is a commit other than the base's. False for a branch, and if the base's is unknown."""
        return self.revision is not None and bool(_COMMIT.fullmatch(revision)) and revision != self.revision


def _organization_and_leaf(name: str) -> tuple[str | None, str]:
    if name.startswith("hf:"):
        name = name.removeprefix("hf:").partition("@")[0]
    if _HUB_ID.fullmatch(name):
        org, leaf = name.split("/")
        return org.casefold(), leaf.casefold()
    path = PureWindowsPath(name) if "\\" in name else PurePosixPath(name)
    return None, path.name.casefold()
