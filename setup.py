"""Build the Cython core; everything else stands in pyproject.toml."""

import os
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

CORE = Path("src/natskit/wire/_core")
FLAGS = ["-O3", "-fno-strict-aliasing", *os.environ.get("NATSKIT_CFLAGS", "").split()]
LINK = os.environ.get("NATSKIT_LDFLAGS", "").split()

extensions = [
    Extension(
        f"natskit.wire._core.{source.stem}",
        [str(source)],
        extra_compile_args=FLAGS,
        extra_link_args=LINK,
    )
    for source in sorted(CORE.glob("*.pyx"))
]

setup(
    ext_modules=cythonize(
        extensions,
        build_dir="build/cython",
        include_path=["src"],
        compiler_directives={
            "language_level": 3,
            "boundscheck": False,
            "wraparound": False,
            "initializedcheck": False,
            "cdivision": True,
            "embedsignature": True,
            "freethreading_compatible": False,
        },
    )
)
