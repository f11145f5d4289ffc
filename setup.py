"""Installation of tf-metammf.

The top-level folders of the repository are the layers of the architecture; this
file maps them into the one namespace ``tf_metammf``, so that no installation ever
puts packages with the bare names ``records``, ``trainer`` or ``export`` into a
user's site-packages.
"""

from pathlib import Path

from setuptools import setup

FOLDERS = {
    "tf_metammf": "tf_metammf",
    "tf_metammf.auxiliary": "tf_metammf/auxiliary",
    "tf_metammf.baselines": "tf_metammf/baselines",
    "tf_metammf.encoders": "tf_metammf/encoders",
    "tf_metammf.features": "tf_metammf/features",
    "tf_metammf.fusion": "tf_metammf/fusion",
    "tf_metammf.graphs": "tf_metammf/graphs",
    "tf_metammf.layers": "tf_metammf/layers",
    "tf_metammf.objectives": "tf_metammf/objectives",
    "tf_metammf.optimizers": "tf_metammf/optimizers",
    "tf_metammf.parts": "tf_metammf/parts",
    "tf_metammf.ranking": "tf_metammf/ranking",
    "tf_metammf.records": "records",
    "tf_metammf.records.beam": "records/beam",
    "tf_metammf.records.conversion": "records/conversion",
    "tf_metammf.records.media": "records/media",
    "tf_metammf.records.media.decoding": "records/media/decoding",
    "tf_metammf.records.media.encoders": "records/media/encoders",
    "tf_metammf.records.media.encoding": "records/media/encoding",
    "tf_metammf.records.raw_files": "records/raw_files",
    "tf_metammf.records.report": "records/report",
    "tf_metammf.records.sources": "records/sources",
    "tf_metammf.records.splits": "records/splits",
    "tf_metammf.records.synthesis": "records/synthesis",
    "tf_metammf.trainer": "trainer",
    "tf_metammf.trainer.comparison": "trainer/comparison",
    "tf_metammf.trainer.configuration": "trainer/configuration",
    "tf_metammf.trainer.distribution": "trainer/distribution",
    "tf_metammf.trainer.labelling": "trainer/labelling",
    "tf_metammf.trainer.planning": "trainer/planning",
    "tf_metammf.trainer.portfolio": "trainer/portfolio",
    "tf_metammf.trainer.runs": "trainer/runs",
    "tf_metammf.trainer.search": "trainer/search",
    "tf_metammf.trainer.watching": "trainer/watching",
    "tf_metammf.export": "export",
    "tf_metammf.export.deployment": "export/deployment",
    "tf_metammf.export.nightly": "export/nightly",
    "tf_metammf.explorer": "explorer",
    "tf_metammf.commands": "commands",
}

setup(
    name="tf-metammf",
    version="0.1.0",
    description="Dynamic multimodal fusion for micro-video recommendation, from raw files to TF Serving.",
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE"],
    classifiers=[
        "Development Status :: 4 - Beta",
        "Intended Audience :: Developers",
        "Intended Audience :: Science/Research",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Typing :: Typed",
    ],
    python_requires=">=3.11,<3.14",
    packages=list(FOLDERS),
    package_dir=FOLDERS,
    include_package_data=False,
    package_data={
        "tf_metammf": ["py.typed"],
        "tf_metammf.explorer": ["page/*.html", "page/*.css", "page/*.js", "page/*.svg", "page/views/*.js"],
        "tf_metammf.trainer.configuration": ["presets/*.yaml"],
        "tf_metammf.trainer.search": ["spaces/*.yaml"],
    },
    install_requires=[
        "tensorflow>=2.21,<2.22",
        "tf-keras>=2.21,<2.22",
        "tensorflow-recommenders>=0.7.7,<0.8",
        "tensorflow-datasets>=4.9.10,<5",
        "importlib-resources>=6",  # TFDS 4.9.10 imports it without asking for it
        "numpy>=2.1",
        "pyarrow>=18",
        "jsonargparse[signatures]>=4.40,<5",
        "PyYAML>=6",
        "rich>=13",
        "matplotlib>=3.9",
        "tensorboard>=2.20",
        "tensorflow-serving-api>=2.21,<2.22",  # messages in Python; asks for nothing that TensorFlow does not
        "urllib3>=2.2,<3",
        "grpcio>=1.74,<2",
        "protobuf>=6.31.1,<8",
    ],
    extras_require={
        "test": [
            "pytest>=8",
            "pytest-xdist>=3.7",
            "hypothesis>=6.100",
            "ir-measures>=0.4",
            "ruff>=0.9",
            "mypy>=1.14",
            "types-PyYAML",
            "setuptools>=77",
        ],
        "tune": ["keras-tuner>=1.4.8", "scipy>=1.13", "scikit-learn>=1.5"],
        "mlflow": ["mlflow-skinny>=3", "sqlalchemy>=2", "alembic>=1.13"],  # all of mlflow wants an older pyarrow
        "wandb": ["wandb>=0.20"],
        "explore": ["starlette>=1", "uvicorn>=0.40"],
        "gpu": ["tensorflow[and-cuda]>=2.21,<2.22"],
        "media": ["av>=18,<19"],  # wheels with FFmpeg's libraries inside
        "onnx": ["onnxruntime>=1.20"],
        "sentences": ["sentence-transformers>=5"],
        "completion": ["shtab>=1.13"],
        "benchmark": ["faiss-cpu>=1.9"],  # what benchmarks/index.py compares with
        "beam": ["apache-beam>=2.77,<3"],  # brings protobuf 6; requirements-beam.lock has what fits together
        "beam-dask": ["apache-beam[dask]>=2.77,<3"],  # the runner on a cluster of Dask
    },
    entry_points={"console_scripts": ["tf-metammf = tf_metammf.commands.main:main"]},
)
