"""Groups of linears with one input."""

from serving.lora.groups import Group


def test_columns_tile_the_output_in_order() -> None:
    group = Group("q+k+v", ("q", "k", "v"), (40, 16, 17))

    assert group.columns == {"q": slice(0, 40), "k": slice(40, 56), "v": slice(56, 73)}


def test_a_single_module_is_all_of_its_group() -> None:
    group = Group.single("o", 8)

    assert (group.members, group.columns) == (("o",), {"o": slice(0, 8)})
