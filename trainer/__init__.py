"""Training: configuration, training, evaluation, search and comparison of models on a record set.

Importing this package does no work and does not import TensorFlow: its names are loaded
when they are first used.
"""

from typing import TYPE_CHECKING

from tf_metammf.lazy_names import lazy_names

if TYPE_CHECKING:
    from tf_metammf.trainer.comparison.compare import compare as compare
    from tf_metammf.trainer.comparison.comparison_directory import Comparison as Comparison
    from tf_metammf.trainer.comparison.report import write_report as write_report
    from tf_metammf.trainer.configuration.configuration import Configuration as Configuration
    from tf_metammf.trainer.configuration.configuration import load_configuration as load_configuration
    from tf_metammf.trainer.configuration.configuration_files import preset_names as preset_names
    from tf_metammf.trainer.evaluation import evaluate as evaluate
    from tf_metammf.trainer.evaluation import load_model as load_model
    from tf_metammf.trainer.portfolio.race import race as race
    from tf_metammf.trainer.runs.run_directory import RunDirectory as RunDirectory
    from tf_metammf.trainer.runs.run_directory import open_run_directory as open_run_directory
    from tf_metammf.trainer.runs.run_listing import list_runs as list_runs
    from tf_metammf.trainer.search.search_space import SearchSpace as SearchSpace
    from tf_metammf.trainer.search.search_space import load_search_space as load_search_space
    from tf_metammf.trainer.search.tuning import TuningResults as TuningResults
    from tf_metammf.trainer.search.tuning import tune as tune
    from tf_metammf.trainer.training import train as train

_MODULE_OF = {
    "Comparison": "comparison.comparison_directory",
    "Configuration": "configuration.configuration",
    "RunDirectory": "runs.run_directory",
    "SearchSpace": "search.search_space",
    "TuningResults": "search.tuning",
    "compare": "comparison.compare",
    "evaluate": "evaluation",
    "list_runs": "runs.run_listing",
    "load_configuration": "configuration.configuration",
    "load_model": "evaluation",
    "load_search_space": "search.search_space",
    "open_run_directory": "runs.run_directory",
    "preset_names": "configuration.configuration_files",
    "race": "portfolio.race",
    "train": "training",
    "tune": "search.tuning",
    "write_report": "comparison.report",
}
"""Module of every public name. No module may be called like a name, or importing it would take the name's place."""

__all__ = sorted(_MODULE_OF)

if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy_names(__name__, _MODULE_OF)
