"""Placements in a payload: every part is aligned, none overlap, and the views have the shapes that were asked for."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from serving.adapters.layout import Extent, aligned, place, views

EXTENTS = st.lists(
    st.builds(
        lambda rank, d_in, d_out, gain, offset, whole: Extent(
            "", rank, d_in, d_out, gain=gain, offset=offset, weight_rows=d_out if whole else 0
        ),
        st.integers(1, 9),
        st.integers(1, 40),
        st.integers(1, 40),
        st.booleans(),
        st.booleans(),
        st.booleans(),
    ),
    max_size=5,
).map(
    lambda extents: [
        Extent(f"m{i}", e.rank, e.d_in, e.d_out, e.gain, e.offset, e.weight_rows) for i, e in enumerate(extents)
    ]
)


@given(EXTENTS, st.sampled_from([torch.float32, torch.bfloat16]))
def test_what_is_written_through_the_views_is_kept_apart(extents: list[Extent], dtype: torch.dtype) -> None:
    placements, payload_bytes = place(extents, dtype)
    payload = torch.zeros(payload_bytes, dtype=torch.uint8)
    modules = views(payload, placements, dtype)
    parts = [part for m in modules.values() for part in (m.a, m.b, m.gain, m.offset, m.weight) if part is not None]

    for index, part in enumerate(parts):
        part.fill_(index + 1)

    assert [float(part.min()) for part in parts] == [float(part.max()) for part in parts] == [*range(1, len(parts) + 1)]
    assert all((part.data_ptr() - payload.data_ptr()) % 64 == 0 for part in parts)
    for extent in extents:
        module = modules[extent.name]
        assert (module.a.shape, module.b.shape) == ((extent.rank, extent.d_in), (extent.rank, extent.d_out))
        assert (module.gain is not None, module.offset is not None) == (extent.gain, extent.offset)


@given(st.integers(0, 10_000), st.integers(1, 5000))
def test_an_aligned_offset_is_the_next_multiple(offset: int, multiple: int) -> None:
    assert aligned(offset, multiple) % multiple == 0
    assert offset <= aligned(offset, multiple) < offset + multiple
