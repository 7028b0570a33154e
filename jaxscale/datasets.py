"""Public tables of training runs, by name: fetched from their repositories at a fixed commit and checked by hash.

No data of others lies in this package. A table comes from a local mirror, where the environment variable
`JAXSCALE_DATA` names a folder with `<name>/raw/<file>`, and else from the address of its repository, kept in the
user's cache folder. One simulated table is bundled and needs neither.
"""

from __future__ import annotations

import builtins
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from jaxscale.errors import ConfigError, DataError, Problem
from jaxscale.names import nearest

if TYPE_CHECKING:
    from jaxscale.runs import Runs

MIRROR = "JAXSCALE_DATA"
ADDRESS = "https://raw.githubusercontent.com/{repository}/{commit}/{path}"
BUNDLED = Path(__file__).parent / "data"


@dataclass(frozen=True)
class Dataset:
    """A table that `load` knows.

    Attributes:
        name: what `load` takes.
        title: what the table holds, in a line.
        paper: arXiv id of the paper; empty for a simulated table.
        repository: "owner/name" on GitHub; empty for a bundled table.
        commit: the commit from which the files come; empty for a bundled table.
        licence: the licence as found in the repository; "none stated" where there is none.
        files: path in the repository -> sha256, in the order in which the reader takes them.
        columns: a law's input or response -> column, where the canonical names do not do.
        group: the column that tells recipes or families apart, if any.
        laws: names of laws that suit the table.
        where: a query for the rows to which a published law is fitted; applied only when asked for, as in
            `load(name, where=dataset.where)`.
    """

    name: str
    title: str
    paper: str
    repository: str
    commit: str
    licence: str
    files: Mapping[str, str] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)
    group: str | None = None
    laws: tuple[str, ...] = ()
    where: str | None = None

    @property
    def bundled(self) -> bool:
        """Whether the table comes with the package."""
        return not self.repository


_ALL = (
    Dataset(
        name="simulated_ladder",
        title="60 simulated runs of a ladder of model sizes, drawn from published coefficients; not measured",
        paper="",
        repository="",
        commit="",
        licence="Apache-2.0",
        laws=("chinchilla",),
    ),
    Dataset(
        name="chinchilla_epoch",
        title="245 Chinchilla runs, digitised from Figure 4 of Hoffmann et al. by Epoch AI",
        paper="2404.10102",
        repository="epoch-research/analyzing-chinchilla",
        commit="92258837425e1b5f2851d624287f0120583a3d0e",
        licence="none stated",
        files={"data/svg_extracted_data.csv": "193478df4e90f040016431996c45682659306840ecdadf83cfb9cd5ca0aa1b30"},
        laws=("chinchilla", "kaplan_nd", "farseer"),
        where="excluded_by_besiroglu == 0",
    ),
    Dataset(
        name="steplaw_dense",
        title="1911 dense runs over learning rate and batch size at 17 (params, tokens); 181 of them diverged",
        paper="2503.04715",
        repository="step-law/steplaw",
        commit="32a8f4cc50247695fb56cc6c9117abdf67c97763",
        licence="none stated",
        files={"data/dense_lr_bs_loss.csv": "9e46181076c04d450294d75dfe6f72adc416e231e154a07b337e378f9410002c"},
        laws=("step_law",),
        where="diverged == 0",
    ),
    Dataset(
        name="vocab_scaling",
        title="1200 checkpoints of 60 models: unigram-normalised loss against size, vocabulary and data",
        paper="2407.13623",
        repository="sail-sg/scaling-with-vocab",
        commit="6701cc202af8b075a46eef8e9d263b3f2ebe012c",
        licence="none stated",
        files={"exp_data.csv": "6571e877469a44cb50b2d05e1fa485587369ee1c47941a4b3b2bfef80496f1b2"},
        columns={"Nnv": "params_non_vocab", "V": "vocab_size", "d": "embed_dim", "H": "characters", "loss": "loss_u"},
        laws=("vocab",),
        where="flops >= 2.18e17",
    ),
    Dataset(
        name="regmix_mixture",
        title="768 models of 1M parameters on random mixtures of 17 domains of the Pile (512 train, 256 test)",
        paper="2407.01492",
        repository="sail-sg/regmix",
        commit="b004d3a3f39846dcec6b3740da22bcd1ba95a5d0",
        licence="MIT",
        files={
            "data/train_mixture_1m.csv": "04a32ef4ab594376bf90e11404c033668f887c351d6a03ad3744824c7296a2d8",
            "data/train_pile_loss_1m.csv": "49a959aa07ce5c20831d5abe3a7896ff0cd90a398bd407c8913fd5588be0465a",
            "data/test_mixture_1m.csv": "197267b7d6f15367e2f46c881e564c35b0d34e51b1754bb09d07e650cf8e1ce8",
            "data/test_pile_loss_1m.csv": "e027b1674f60140a65a87b5e4a59ab5f09dc33e8fd02c080682678074b160f53",
        },
        columns={"loss": "loss_pile_cc"},
        laws=("regmix", "mixing_law_exp"),
        where="split == 'train'",
    ),
    Dataset(
        name="routed_lm_clark2022",
        title="5799 evaluations of 223 dense and routed (mixture-of-experts) models; is_final marks each model's last",
        paper="2202.01169",
        repository="google-deepmind/scaling_laws_for_routing",
        commit="42da0c392b127df2c01fa7b705f72396050d05e5",
        licence="code Apache-2.0; other materials (the data) CC-BY 4.0",
        files={"data/curves.csv.gz": "c03e7531add85e594f368d33bac4a0220280be858a7ed12d147cf73af6a3819f"},
        columns={"N": "dense_parameter_count", "E": "num_experts", "loss": "loss_validation"},
        group="router_type",
        laws=("routed_moe",),
        where="is_final == 1 and routing_frequency == 0.5 and k == 1 and seed == 42",
    ),
    Dataset(
        name="sft_rectified",
        title="900 fine-tunings: 30 base models, 15 sizes of the fine-tuning set (0 is zero-shot), FLAN and WMT19",
        paper="2402.02314",
        repository="linhaowei1/Fine-tuning-Scaling-Law",
        commit="5214568013af65e3cefd03860ecd7bc9358b308c",
        licence="Apache-2.0",
        files={
            "benchmark/flan.csv": "ead24af8eaa97ac0507bbd76c4880eb09c6361e252f4971666ba55017215d1e9",
            "benchmark/wmt19.csv": "523b044495f87c1f954c359fb489cf4e38f739c7fca8161d70665853fb2d293a",
        },
        columns={"D": "finetune_examples", "loss": "test_loss"},
        group="base_model",
        laws=("rectified_ft",),
        where="dataset == 'flan' and finetune_examples >= 200",
    ),
)


def list() -> builtins.list[Dataset]:
    """The tables that `load` knows, the bundled one first.

    A mirror may hold more: any folder in it with a `runs.csv` loads by its name, too.
    """
    return [*_ALL]


def load(name: str, **read_options: Any) -> Runs:
    """Load a public table.

    Args:
        name: a name from `list()`, or a folder of the mirror that holds a `runs.csv`.
        **read_options: as for `read_runs` (columns, group, units, where, exclude); they come before the defaults of
            the table.

    Returns:
        The table as `Runs`. Published rows without a value in a mapped column are among its `excluded` rows.

    Raises:
        ConfigError: no table has this name, or `JAXSCALE_DATA` names no folder.
        DataError: a file cannot be fetched, or is not the published one.
    """
    from jaxscale.readers import read_runs
    from jaxscale.readers.public import READERS

    dataset = next((d for d in _ALL if d.name == name), None)
    if dataset is None:
        return read_runs(_mirror_only(name), **read_options)
    columns = {**dataset.columns, **(read_options.get("columns") or {})}
    options = {"group": dataset.group, **read_options, "columns": columns}
    if dataset.bundled:
        return replace(read_runs(_bundled(dataset), **options), source=f"{dataset.name} (bundled, simulated)")

    frame = READERS[dataset.name](*(_file(dataset, path) for path in dataset.files))
    holes = frame.columns[frame.isna().to_numpy().any(axis=0)].intersection(builtins.list(columns.values()))
    gaps = {f"{column}.isna()": "no value in the published table" for column in holes}
    options["exclude"] = {**gaps, **(read_options.get("exclude") or {})} or None
    source = f"{dataset.name} ({dataset.repository} at {dataset.commit[:7]})"
    try:
        return replace(read_runs(frame, **options), source=source)
    except DataError as error:
        raise DataError(source, error.problems) from None


def _bundled(dataset: Dataset) -> Path:
    path = BUNDLED / f"{dataset.name}.csv"
    if not path.is_file():
        problem = Problem("the bundled table is missing from this installation", fix="install jaxscale again")
        raise DataError(dataset.name, [problem])
    return path


def _mirror() -> Path | None:
    """The folder of the local mirror, None where no one asked for a mirror."""
    setting = os.environ.get(MIRROR)
    if not setting:
        return None
    folder = Path(setting).expanduser()
    if not folder.is_dir():
        # Going on to the network would hide a slip of the pen from a person who meant to stay offline.
        raise ConfigError(f"{MIRROR} names no folder: {setting!r}. Correct it or unset it.")
    return folder


def _mirror_only(name: str) -> Path:
    """The `runs.csv` of a folder that only the mirror knows."""
    mirror = _mirror()
    extra = {p.parent.name: p for p in sorted(mirror.glob("*/runs.csv"))} if mirror else {}
    # Looked up among what is there, so that a name with dots and slashes cannot leave the mirror.
    return extra[name] if name in extra else _unknown(name, extra)


def _unknown(name: str, extra: Mapping[str, Path]) -> NoReturn:
    known = [d.name for d in _ALL]
    close = nearest(str(name), [*known, *extra])
    text = f"no dataset is called {name!r}" + (f"; did you mean {close!r}?" if close else ".")
    text += f" There are: {', '.join(known)}."
    more = [n for n in extra if n not in known]
    raise ConfigError(text + (f" The mirror has also: {', '.join(more)}." if more else ""))


def is_at_hand(dataset: Dataset) -> bool:
    """Whether `load` needs no download: bundled, in the mirror, or in the cache."""
    import pooch

    mirror, cache = _mirror(), Path(pooch.os_cache("jaxscale")) / "datasets" / dataset.name
    folders = [cache, *([mirror / dataset.name / "raw"] if mirror else [])]
    return all(any((f / Path(path).name).is_file() for f in folders) for path in dataset.files)


def _file(dataset: Dataset, path: str) -> Path:
    """One raw file, from the mirror where it has it, else from the cache or the network; its hash is checked."""
    mirror = _mirror()
    local = mirror / dataset.name / "raw" / Path(path).name if mirror else None
    if local is None or not local.is_file():
        return _fetch(dataset, path)
    found, expected = _sha256(local), dataset.files[path]
    if found != expected:
        problem = Problem(
            f"{local} is not the published file",
            got=f"sha256 {found}",
            expected=f"sha256 {expected}",
            fix=f"replace it by {_address(dataset, path)}, or unset {MIRROR} to download it",
        )
        raise DataError(dataset.name, [problem])
    return local


def _address(dataset: Dataset, path: str) -> str:
    return ADDRESS.format(repository=dataset.repository, commit=dataset.commit, path=path)


def _sha256(path: Path) -> str:
    import hashlib

    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _fetch(dataset: Dataset, path: str) -> Path:
    """One raw file from the user's cache folder, downloaded there if need be."""
    import sys
    from textwrap import shorten

    import pooch

    address, sha256 = _address(dataset, path), dataset.files[path]
    folder = Path(pooch.os_cache("jaxscale")) / "datasets" / dataset.name
    logger = pooch.get_logger()
    level = logger.level
    try:
        if not (folder / Path(path).name).is_file():
            print(f"jaxscale: downloading {address}", file=sys.stderr, flush=True)
        # Our own line says the same, once.
        logger.setLevel("WARNING")
        return Path(pooch.retrieve(address, known_hash=f"sha256:{sha256}", fname=Path(path).name, path=folder))
    except Exception as error:
        # However a download fails (no network, refused, disk full, proxy, hash), a person needs the same few facts.
        wrong = isinstance(error, ValueError) and "hash" in str(error)
        problem = Problem(
            f"{address} is not the published file" if wrong else f"cannot download {address}",
            got=f"{type(error).__name__}: {shorten(str(error), 400)}",
            expected=f"sha256 {sha256}" if wrong else None,
            fix=f"{'try again' if wrong else 'check the network'}, or put that file at "
            f"{dataset.name}/raw/{Path(path).name} in a folder of yours and set {MIRROR} to the folder",
        )
    finally:
        logger.setLevel(level)
    # Raised outside the handler, so that no foreign traceback hangs on it.
    raise DataError(dataset.name, [problem])
