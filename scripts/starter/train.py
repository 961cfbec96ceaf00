"""`python -m scripts.starter.train`: makes the whole pack: Datanets, base model, adapters, manifest, quality table.

It takes about six minutes on one core. The same seed on the same kind of processor gives the same files.
"""

from scripts.starter import corpus, evaluate, manifest
from scripts.starter.corpus import PACK
from scripts.starter.train_adapter import train_adapter
from scripts.starter.train_base import train_base


def main() -> None:
    """Make the whole pack, and print the training losses."""
    clinic = corpus.build()
    corpus.write(clinic, PACK / "datanets")
    manifest.write(clinic, PACK / "pack.json")
    print("clinic-base")
    train_base(clinic, PACK / "base")
    for datanet in clinic.datanets:
        print(datanet.department.name)
        train_adapter(clinic, datanet, PACK / "base", PACK / "adapters" / datanet.department.name)
    evaluate.main()


if __name__ == "__main__":
    main()
