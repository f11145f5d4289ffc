"""How TensorFlow traces the layers of this package: as they are written."""

import inspect


def trace_as_written(kind: type) -> None:
    """Has TensorFlow trace the methods of a class as they are written, if it is one of this package.

    AutoGraph rewrites the source of a layer before TensorFlow traces it, so that Python conditions and loops can depend
    on tensors. No layer of this package has such a condition, and rewriting their code took longer than a small
    training. Layers of users' own are rewritten as in any other model, those that extend a class of this package
    included.

    Args:
        kind: A class. Only what it defines itself is marked, with the mark that AutoGraph gives to code it has already
            seen to; a version of TensorFlow that knows no such mark rewrites the code as before. In contrast,
            ``tf.autograph.experimental.do_not_convert`` would also hold for the layers of users that are called inside.
    """
    if kind.__module__.partition(".")[0] != __name__.partition(".")[0]:
        return
    kind.autograph_info__ = None  # type: ignore[attr-defined]
    for method in vars(kind).values():
        if inspect.isfunction(method):
            method.autograph_info__ = None  # type: ignore[attr-defined]
