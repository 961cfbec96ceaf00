"""What the node must not forget. One writer with group commit; rows stay inside, frozen dataclasses go out."""
