"""The bundle: a released model as a folder, verified before it may answer anything.

Reads: serving/champion/ (or the folder that ML_BUNDLE names): model.onnx, contract.json,
model.json, golden.json, explain.npy, lineage.json and manifest.json, which holds the SHA-256 of all
others; manifest.sig, where releases are signed (`ml.seal`). Nothing in it is code, nothing is
unpickled. The export stage writes the first five (`write_bundle`), a release adds the others, the
model card (card.html, card.md, card.json) and the bills of materials (`ml.release.bom`). A bundle
without explain.npy answers and explains nothing.
"""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from pydantic import ValidationError

from ml.atomic import staged_folder, write_json, write_text
from ml.contract import Contract, contract_json
from ml.encode import Encoder, Matrix, features
from ml.errors import UserError
from ml.seal.manifest import broken, verified

CHAMPION = Path("serving/champion")
CHALLENGER = CHAMPION.with_name("challenger")
RELEASES = CHAMPION.with_name("releases")

MODEL_FILE = "model.onnx"
CONTRACT_FILE = "contract.json"
ABOUT_FILE = "model.json"
GOLDEN_FILE = "golden.json"
EXPLAIN_FILE = "explain.npy"
LINEAGE_FILE = "lineage.json"
# the model card, beside the files above; a release from before there were cards has none
CARD_PAGE = "card.html"
CARD_MARKDOWN = "card.md"
CARD_JSON = "card.json"  # what it was made of
FILES = (MODEL_FILE, CONTRACT_FILE, ABOUT_FILE, GOLDEN_FILE, LINEAGE_FILE)  # of the manifest

# rows of one run of the model; in larger ones onnxruntime's trees take twice as long for each row
RUN = 100
# largest difference from a golden answer, relative above 1: float32 rounding and no more
TOLERANCE = 1e-5

Answers = NDArray[np.float32]
Answer = Callable[[Matrix], NDArray[np.float64]]


@dataclass(frozen=True)
class Bundle:
    """A verified model with all that is known about it."""

    folder: Path
    version: str
    contract: Contract
    encoder: Encoder
    lineage: dict[str, Any]
    # name of the estimator, metrics, baseline's metrics, features, importance
    model: dict[str, Any]
    golden: dict[str, Any]  # {"rows": [...], "answers": [[...], ...]}
    # held-out rows to compare an answer with, (n, k); None: a bundle from before there were any
    pool: Matrix | None
    _session: Any
    # the model card by its file's name; empty where the release has none
    card: dict[str, bytes] = field(default_factory=dict)

    def answer(self, matrix: Matrix) -> Answers:
        """Probabilities (n, classes), or values (n, 1) of a regression, for the matrix (n, k)."""
        if len(matrix) <= RUN:
            return _one_run(self._session, matrix)
        return _in_runs(self._session, matrix)


def write_bundle(
    folder: Path,
    model: bytes,
    contract: Contract,
    about: dict[str, Any],
    golden: dict[str, Any],
    pool: Path | None = None,
) -> None:
    """Replace the bundle's folder: the files that the export stage knows, before a release.

    Args:
        folder: to write.
        model: the ONNX file's content.
        contract: what a row is.
        about: what is known of the model.
        golden: rows and the answers to them.
        pool: a file of rows to compare answers with (`ml.explain.references.write_pool`).
    """
    with staged_folder(folder) as draft:
        (draft / MODEL_FILE).write_bytes(model)
        write_text(draft / CONTRACT_FILE, contract_json(contract) + "\n")
        write_json(draft / ABOUT_FILE, about)
        write_json(draft / GOLDEN_FILE, golden)
        if pool is not None:
            shutil.copyfile(pool, draft / EXPLAIN_FILE)


def load_bundle(folder: Path = CHAMPION, *, is_draft: bool = False) -> Bundle:
    """Read a bundle, check each file against the manifest and ask the model its golden rows.

    Args:
        folder: of the release, or a link to it.
        is_draft: this process has made it just now, so no signature is asked for.

    Raises:
        UserError: the folder or a file is missing, a hash or a golden answer differs, or a
            signature is asked for and not there or not right; it names file and row.
    """
    release = folder.resolve()  # the link may move while we read: everything is of one release
    if not release.is_dir():
        raise UserError(
            f"{folder}: there is no released model here", "make flow, then make release"
        )
    files = verified(release, FILES, is_draft=is_draft)
    try:
        loaded = _assembled(release, files)
    except (ValueError, KeyError, TypeError, ValidationError) as error:
        raise broken(release, f"cannot be read: {_first_line(error)}") from None
    check_golden(loaded)
    return loaded


def _assembled(folder: Path, files: dict[str, bytes]) -> Bundle:
    contract = Contract.model_validate_json(files[CONTRACT_FILE])
    lineage = json.loads(files[LINEAGE_FILE])
    return Bundle(
        folder=folder,
        version=str(lineage["version"]),
        contract=contract,
        encoder=Encoder(contract),
        lineage=lineage,
        model=json.loads(files[ABOUT_FILE]),
        golden=json.loads(files[GOLDEN_FILE]),
        pool=_pool(files.get(EXPLAIN_FILE), len(features(contract))),
        _session=_session(folder, files[MODEL_FILE]),
        card={name: files[name] for name in (CARD_PAGE, CARD_MARKDOWN) if name in files},
    )


def _pool(content: bytes | None, width: int) -> Matrix | None:
    if content is None:
        return None
    rows: Matrix = np.load(io.BytesIO(content), allow_pickle=False)
    if rows.dtype != np.float32 or rows.shape[1:] != (width,):
        raise ValueError(f"{EXPLAIN_FILE} holds {rows.dtype} {rows.shape}, not rows of {width}")
    return rows


def _session(folder: Path, model: bytes) -> Any:
    try:
        return onnx_session(model)
    except Exception as error:  # onnxruntime's exceptions share no base class
        raise broken(folder, f"{MODEL_FILE} cannot be loaded: {_first_line(error)}") from None


def onnx_session(model: bytes) -> Any:
    """A session of ONNX Runtime on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # workers are the parallelism; more threads only take turns
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def load_onnx(model: bytes) -> Answer:
    """The answers of an ONNX model outside of a bundle: matrix (n, k) to answers (n, m)."""
    session = onnx_session(model)

    def answer(x: Matrix) -> NDArray[np.float64]:
        return np.asarray(_in_runs(session, x), dtype=np.float64)

    return answer


def onnx_answers(model: bytes, x: Matrix) -> NDArray[np.float64]:
    """The answers of an ONNX model that is asked once."""
    return load_onnx(model)(x)


def _in_runs(session: Any, matrix: Matrix) -> Answers:
    """Answers to the matrix (n, k), so many rows at a time."""
    starts = range(0, max(1, len(matrix)), RUN)
    return np.concatenate([_one_run(session, matrix[i : i + RUN]) for i in starts])


def _one_run(session: Any, matrix: Matrix) -> Answers:
    """Answers to at most `RUN` rows, the same to the last bit whichever rows come together.

    onnxruntime adds up a linear model's single row in another order than that of several rows, so
    a single one is asked twice.
    """
    if len(matrix) == 1:
        twice: Answers = session.run(None, {"x": matrix.repeat(2, axis=0)})[0]
        return twice[:1]
    answers: Answers = session.run(None, {"x": matrix})[0]
    return answers


def check_golden(bundle: Bundle) -> None:
    """Ask the model its golden rows.

    Raises:
        UserError: an answer differs by more than 1e-5 (relative above 1); it names the row.
    """
    expected = np.asarray(bundle.golden["answers"], dtype=np.float64)
    given = _golden_answers(bundle)
    if expected.shape != given.shape or not len(expected):
        raise broken(
            bundle.folder,
            f"{GOLDEN_FILE} holds answers {expected.shape}, the model gives {given.shape}",
        )
    off = np.abs(given - expected) / np.maximum(1.0, np.abs(expected))
    off_by_row = np.where(np.isfinite(off), off, np.inf).max(axis=1)
    row = int(off_by_row.argmax())
    if off_by_row[row] > TOLERANCE:
        answered, due = given[row].tolist(), expected[row].tolist()
        raise broken(bundle.folder, f"golden row {row}: the model answers {answered}, not {due}")


def _golden_answers(bundle: Bundle) -> Answers:
    try:
        return bundle.answer(bundle.encoder.rows(bundle.golden["rows"]))
    except Exception as error:  # onnxruntime's exceptions share no base class
        raise broken(
            bundle.folder, f"{MODEL_FILE} cannot answer the golden rows: {_first_line(error)}"
        ) from None


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:300]
