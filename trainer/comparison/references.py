"""What each model of a comparison is compared with."""

from collections.abc import Mapping, Sequence

from tf_metammf.errors import unknown_name


def choose_references(
    models: Sequence[str], *, varied: Mapping[str, str] | None = None, reference: str | None = None
) -> dict[str, str]:
    """The reference of every model that has one, chosen before anything is measured.

    Args:
        models: Names of the models, in the order in which they were named.
        varied: The model that each variation of an ablation was made from; that one is its reference.
        reference: The reference of all others instead.

    Returns:
        By model its reference: ``reference`` if there is one; else the model that was varied, and for models that are
        no variation the first model named. The reference of all has none itself.

    Raises:
        InvalidInputError: The reference is not one of the models.
    """
    if reference is not None and reference not in models:
        raise unknown_name("model for --reference:", reference, models)
    chosen = {name: reference or (varied or {}).get(name, models[0]) for name in models}
    return {name: other for name, other in chosen.items() if other != name}
