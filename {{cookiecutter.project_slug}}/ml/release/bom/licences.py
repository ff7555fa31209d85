"""Licences of installed packages as SPDX expressions, by what the packages say of themselves."""

from __future__ import annotations

from importlib.metadata import Distribution, PackageNotFoundError

NO_ASSERTION = "NOASSERTION"
# how packages without an SPDX expression name their licence
CLASSIFIERS = {
    "MIT License": "MIT",
    "BSD License": "BSD-3-Clause",
    "Apache Software License": "Apache-2.0",
    "ISC License (ISCL)": "ISC",
}
WITHOUT_CLASSIFIER = {"protobuf": "BSD-3-Clause"}


def licence(package: str) -> str | None:
    """SPDX expression of an installed package's licence; None: it is not installed here."""
    try:
        about = Distribution.from_name(package).metadata
    except PackageNotFoundError:  # of another platform or another version of Python
        return None
    names = [c.rsplit(" :: ", 1)[-1] for c in about.get_all("Classifier") or []]
    known = " OR ".join(CLASSIFIERS[name] for name in names if name in CLASSIFIERS)
    # `about["…"]` of a missing name is None, or an error where importlib_metadata is imported
    (expression, *_) = about.get_all("License-Expression") or [None]
    return expression or known or WITHOUT_CLASSIFIER.get(package, NO_ASSERTION)
