"""The parts that come with the package, for tests that go through all of them."""

from tf_metammf.fusion.fusions import fusion_class, fusion_names
from tf_metammf.parts.parts import known_parts

FUSIONS = {name: fusion_class(name) for name in fusion_names() if fusion_class(name).takes == "vectors"}
"""Fusions of vectors; what those over time keep is in ``test_token_fusions.py``."""
ENCODERS = [name for name, settings in known_parts("encoder").items() if settings.trained]
WITHOUT_GRAPH = [name for name in ENCODERS if not known_parts("encoder")[name].graph]
