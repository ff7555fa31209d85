"""The `ml` command: every step of the loop that is not a pipeline stage. Thin on purpose.

Each command imports what it needs when it runs (`ml --help` loads none of the heavy libraries) and
leaves the work to its room. A `UserError` is printed without a traceback; exit status 2. So are a
full disk and a module that is not installed: the serving image has what `ml serve` and `ml label`
need, no more.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from ml.errors import UserError, disk_full_told

app = typer.Typer(
    help=__doc__.splitlines()[0],
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # drawing the help with Rich takes longer than all else it does
)


# the options of `ml adopt`
Data = Annotated[
    str, typer.Argument(help="A CSV or Parquet file, a folder of them, an address, or `demo`.")
]
TargetName = Annotated[str | None, typer.Option(help="The column to predict.")]
TimeName = Annotated[str | None, typer.Option(help="The column that orders the rows in time.")]
IdName = Annotated[
    str | None, typer.Option(help="The column that identifies a row; kept, never a feature.")
]
Drop = Annotated[str, typer.Option(help="Columns to leave out, separated by commas.")]
Task = Annotated[
    str | None, typer.Option(help="binary | multiclass | regression; default: from the target.")
]
Names = Annotated[
    str, typer.Option(help="Column names, separated by commas, of a file without a header.")
]
EditedContract = Annotated[str | None, typer.Option(help="keep | replace an edited contract.yaml.")]
Encoding = Annotated[str | None, typer.Option(help="Of the text files; default: from their bytes.")]
MaxBytes = Annotated[int | None, typer.Option(min=1, help="How large the table may be, unpacked.")]
MaturesAfter = Annotated[
    str, typer.Option(help="How long after an answer its outcome can change: 0, 30d, 12h.")
]
Append = Annotated[bool, typer.Option(help="Add DATA to what is there, if it keeps the contract.")]


@app.command()
def adopt(
    data: Data,
    target: TargetName = None,
    time: TimeName = None,
    id: IdName = None,
    drop: Drop = "",
    task: Task = None,
    names: Names = "",
    contract: EditedContract = None,
    encoding: Encoding = None,
    max_bytes: MaxBytes = None,
    matures_after: MaturesAfter = "0",
    append: Append = False,
) -> None:
    """Infer contract.yaml from a table; put the table under DVC.

    The table goes to data/raw.
    """
    from ml.adopt.source.dvc_process import early_start

    with early_start():
        if append:
            from ml.adopt.append import append as append_parts

            append_parts(data, encoding, max_bytes)
            return
        from ml.adopt import commands

        commands.adopt(
            data,
            target=target,
            time=time,
            id=id,
            drop=_listed(drop),
            task=task,
            names=_listed(names),
            contract=contract,
            encoding=encoding,
            max_bytes=max_bytes,
            matures_after=matures_after,
        )


def _listed(names: str) -> list[str]:
    """Names between commas; one that holds a comma stands in double quotes."""
    return [name.strip() for name in next(csv.reader([names]), []) if name.strip()]


MetricsHost = Annotated[
    str, typer.Option(help="With --watch: where /metrics listens; in a container 0.0.0.0.")
]
Approval = Annotated[
    bool, typer.Option("--approval", help="A version that passes the gate waits for `ml approve`.")
]


@app.command()
def release(
    new_contract: Annotated[
        bool,
        typer.Option(
            "--new-contract", help="Requests may differ from the champion's: its clients know."
        ),
    ] = False,
    approval: Approval = False,
) -> None:
    """Register the trained model; make it the champion if it may be.

    After `dvc repro`: log the run, register the version, pass the gate, move the alias. Exit status
    3 where the gate refuses.
    """
    from ml.release import commands

    if not commands.release(new_contract=new_contract, approval=approval).passed:
        raise typer.Exit(3)


@app.command()
def approve(
    version: Annotated[
        str | None, typer.Argument(help="Default: the latest that passed the gate and waits.")
    ] = None,
) -> None:
    """Make a version that waits the champion."""
    from ml.release import commands

    commands.approve(version)


@app.command()
def history(
    at: Annotated[
        str | None, typer.Option(help="Which version answered then; UTC, where it names no zone.")
    ] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Is the ledger unbroken? Exit status 3: it is not.")
    ] = False,
) -> None:
    """Show every decision about the served model."""
    from ml.ledger import history as room

    if verify:
        from ml.release import commands

        if commands.verify_ledger():
            raise typer.Exit(3)
    elif at:
        room.answered_at(at)
    else:
        room.history()


@app.command()
def rollback() -> None:
    """Make the previous champion the champion again."""
    from ml.release import commands

    commands.rollback()


@app.command()
def card(
    version: Annotated[
        str,
        typer.Argument(help="A release under serving/releases, or `bundle`: not released yet."),
    ] = "champion",
) -> None:
    """Write the model card, with what the monitor has seen since.

    To reports/card/, as a page and as Markdown.
    """
    from ml.monitoring.reports import card as room

    room.card(version)


@app.command()
def pull() -> None:
    """Fetch the registry's champion into serving/.

    On a machine that only serves.
    """
    from ml.release import commands

    commands.pull()


@app.command()
def serve(
    port: Annotated[
        int | None, typer.Option(help="Default: serve.port of params.yaml; 0 picks a free one.")
    ] = None,
    host: Annotated[
        str, typer.Option(help="Beyond loopback it needs API keys, see docs/security.md.")
    ] = "127.0.0.1",
    workers: Annotated[int, typer.Option(help="Processes.")] = 1,
) -> None:
    """Answer predictions over HTTP from serving/champion."""
    from ml.serving.process import server

    server.serve(host=host, port=port, workers=workers)


@app.command()
def load(
    url: Annotated[
        str | None,
        typer.Option(help="A running service, whose journal takes the rows; default: its own."),
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(min=1, max=100_000, help="Requests a second; default: serve.objective.rate."),
    ] = None,
    p99: Annotated[
        float | None,
        typer.Option(min=0.001, help="Milliseconds; default: serve.objective.p99_ms."),
    ] = None,
    seconds: Annotated[
        float, typer.Option(min=0.5, max=3600, help="Of each of the four steps.")
    ] = 10.0,
    workers: Annotated[int, typer.Option(min=1, help="Processes of its own service.")] = 1,
) -> None:
    """Test whether the service is as quick as serve.objective says.

    Rows of the reference at a rising rate. Exit status 0 met or only reported, 3 missed, 4 unclear.
    """
    from ml.load_test import commands

    raise typer.Exit(commands.load(url, rate, p99, seconds, workers))


@app.command()
def container(
    word: Annotated[str | None, typer.Argument(help="SageMaker's `serve`.")] = None,
    port: Annotated[
        int | None, typer.Option(help="Default: PORT; the health check reads it.")
    ] = None,
    workers: Annotated[int, typer.Option(help="Processes.")] = 1,
) -> None:
    """Serve in a container, as its platform's variables say.

    The image's entry point: docs/platforms.md.
    """
    from ml.serving.process import container as room

    room.serve(word, port, workers)


@app.command()
def challenge(
    version: Annotated[str, typer.Argument(help="A release under serving/releases, or `off`.")],
) -> None:
    """Let a release score or answer beside the champion.

    As serve.challenger of params.yaml says.
    """
    from ml.release import challenger

    challenger.challenge(version)


@app.command()
def compare(
    days: Annotated[
        float | None, typer.Option(help="How far back; default: the whole journal.")
    ] = None,
) -> None:
    """Weigh the challenger against the champion, by outcomes."""
    from ml.release import ab_test

    ab_test.compare(days)


Source = Annotated[
    str, typer.Argument(help="A Parquet file, a folder of them or a pattern; an address is fine.")
]
Target = Annotated[
    str, typer.Argument(help="The Parquet file to write, or a folder (ends with /) or address.")
]
Scheduler = Annotated[
    str | None,
    typer.Option(help="Of Dask, tcp:// or tls://; default: DASK_SCHEDULER_ADDRESS, or none."),
]
Workers = Annotated[int, typer.Option(min=0, help="Processes here; 0: one a processor.")]
PartSeconds = Annotated[float, typer.Option(min=0, help="That one part may take; 0: any.")]
OnlyPlan = Annotated[
    bool, typer.Option("--plan", help="Write the plan and the model, for processes with --share.")
]
ShareOf = Annotated[
    str | None, typer.Option(help="3/8: of the planned parts, the fourth of eight shares.")
]
Replace = Annotated[
    bool, typer.Option("--replace", help="Remove answers of an earlier model, code or table.")
]


@app.command()
def score(
    source: Source,
    target: Target,
    scheduler: Scheduler = None,
    workers: Workers = 0,
    part_seconds: PartSeconds = 3600,
    plan: OnlyPlan = False,
    share: ShareOf = None,
    replace: Replace = False,
) -> None:
    """Answer whole tables offline, as POST /predict would.

    One file into one file, or many into a folder: in parts, by processes of this machine or on a
    Dask scheduler, and again from where it stopped (docs/scale.md). Exit status 1 where a part is
    not done.
    """
    from ml.standalone import commands

    wanted = commands.Wanted(scheduler, workers, part_seconds, plan, share, replace)
    if not commands.score(source, target, wanted):
        raise typer.Exit(1)


@app.command()
def explain(
    prediction_id: Annotated[str, typer.Argument(help="As the service answered it.")],
    reference: Annotated[
        str,
        typer.Option(
            help="Rows to compare with: all, plan=basic of a level, churned=no of a class."
        ),
    ] = "all",
    as_json: Annotated[bool, typer.Option("--json", help="What POST /explain answers.")] = False,
) -> None:
    """Say why a recorded answer is what it is.

    What each column contributes, and the nearest change that would change the class.
    """
    from ml.explain import commands

    commands.explain(prediction_id, reference, as_json)


@app.command()
def trace(
    prediction_ids: Annotated[list[str], typer.Argument(help="From answers of the service.")],
    rebuild: Annotated[
        bool,
        typer.Option(
            "--rebuild", help="Make the model again and compare; exit status 3: it differs."
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As lines of JSON.")] = False,
) -> None:
    """Show where answers came from.

    The row, version, commit, data and decision behind each; `--rebuild` makes the version again.
    """
    from ml.trace import commands

    if not commands.trace(prediction_ids, rebuild=rebuild, as_json=as_json):
        raise typer.Exit(3)


journal = typer.Typer(
    help="Export or remove what the journal holds.", no_args_is_help=True, rich_markup_mode=None
)
app.add_typer(journal, name="journal")


@journal.command()
def export(
    target: Annotated[
        str, typer.Argument(help="The Parquet file to write, or s3://bucket/file.parquet.")
    ],
    days: Annotated[float | None, typer.Option(help="How far back; default: everything.")] = None,
) -> None:
    """Write the answers and their labels to Parquet."""
    from ml.journal import export

    export.export(target, days)


@journal.command()
def prune(
    days: Annotated[
        float | None, typer.Option(help="Default: journal.keep_days of params.yaml.")
    ] = None,
) -> None:
    """Remove answers older than so many days, and their labels."""
    from ml.journal import export

    export.prune(days)


@journal.command()
def divide() -> None:
    """Divide an earlier PostgreSQL journal by months.

    Nobody reads or writes the journal meanwhile; it takes about as long as reading it once.
    """
    from ml.journal import export

    export.divide()


@journal.command()
def forget(
    row_id: Annotated[
        list[str],
        typer.Option("--row-id", help="Of the contract's id column; may be given several times."),
    ],
) -> None:
    """Remove a person's rows, labels and training rows.

    From the journal and the parts of data/raw that came from it. Says what remains elsewhere.
    """
    from ml.erasure import commands

    commands.forget(row_id)


@app.command()
def label(
    file: Annotated[Path, typer.Argument(help="CSV or JSON lines with prediction_id and outcome.")],
) -> None:
    """Record outcomes by prediction id.

    Late, repeated and corrected ones are fine.
    """
    from ml.journal import labels

    labels.label_file(file)


@app.command()
def monitor(
    days: Annotated[
        float | None, typer.Option(help="How far back; default: monitor.window_days.")
    ] = None,
    wait: Annotated[
        bool,
        typer.Option(
            "--wait",
            help="Wait for Evidently's pages, too: for containers and cron.",
        ),
    ] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Again and again, until Ctrl-C; waits, too.")
    ] = False,
    every: Annotated[
        float, typer.Option(help="With --watch: hours from one window to the next.")
    ] = 24.0,
    port: Annotated[int, typer.Option(help="With --watch: /metrics for Prometheus.")] = 9109,
    host: MetricsHost = "127.0.0.1",
    exported: Annotated[
        list[str] | None,
        typer.Option(
            help="A file of `ml journal export`, also s3://…, in place of the journal;"
            " may be given several times."
        ),
    ] = None,
    scheduler: Scheduler = None,
    workers: Annotated[
        int | None,
        typer.Option(min=0, help="Read in parts by so many processes; 0: one a processor."),
    ] = None,
) -> None:
    """Judge the journal's latest window.

    The verdict is printed, stands in verdict.json and is the exit status: 0 ok, 3 not ok, 4 too few
    rows. A child process writes Evidently's pages after it. A large window may be read by processes
    of this machine, or on a Dask scheduler (docs/scale.md).
    """
    from ml.monitoring import commands

    reading = commands.reading_of(exported, scheduler, workers)
    if watch:
        commands.watch(days, every, port, host, reading)
    raise typer.Exit(commands.monitor(days, wait, reading))


@app.command()
def retrain(approval: Approval = False) -> None:
    """Add labelled rows to the raw data, train, release.

    The rows are the journal's. Exit status 3 where the gate refuses.
    """
    from ml.loop import retrain

    if not retrain.retrain(approval=approval).passed:
        raise typer.Exit(3)


@app.command()
def loop(
    days: Annotated[
        float | None, typer.Option(help="Length of the window; default: monitor.window_days.")
    ] = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Every loop.every_hours, until Ctrl-C.")
    ] = False,
    port: Annotated[int, typer.Option(help="With --watch: /metrics for Prometheus.")] = 9111,
    host: MetricsHost = "127.0.0.1",
) -> None:
    """One pass: judge the latest window and act on it.

    Retrain, promote, roll back or wait. Exit status 0 nothing to do or done, 3 a person is needed,
    4 too few rows.
    """
    from ml.loop import commands

    if watch:
        commands.watch(days, port, host=host)
    raise typer.Exit(commands.loop(days))


@app.command()
def replay(
    train_first: Annotated[
        float,
        typer.Option(min=0.01, max=0.99, help="Share of the rows that trains the first version."),
    ] = 0.3,
    window: Annotated[int, typer.Option(min=1, help="Rows of a window.")] = 336,
    lag: Annotated[int, typer.Option(min=0, help="Windows from a window's end to its labels.")] = 1,
    deploy_lag: Annotated[
        int, typer.Option(min=0, help="Windows from a promotion to its first answer.")
    ] = 0,
    last: Annotated[
        int | None, typer.Option(min=1, help="So many windows, the newest; default: all.")
    ] = None,
) -> None:
    """Replay a stream through the service and the loop.

    The demo's year after its table, or the project's own table in order. Works in .replay/; writes
    reports/replay/. The totals are one line of JSON.
    """
    from ml.loop.replay import commands
    from ml.loop.replay.options import Options

    commands.replay(
        Options(train_first=train_first, window=window, lag=lag, deploy_lag=deploy_lag, last=last)
    )


@app.command("test-score")
def rubric(
    as_json: Annotated[bool, typer.Option("--json", help="The same as JSON.")] = False,
    at_least: Annotated[
        float, typer.Option(min=0, max=7, help="Exit status 3 where the score is lower.")
    ] = 0.0,
) -> None:
    """Count the ML Test Score, by results alone.

    28 tests of data, model, infrastructure and monitoring: what answers each of them here, its
    last result, and the smallest of the four sums. `make test` writes the results.
    """
    from ml.test_score import commands

    if commands.print_score(as_json=as_json) < at_least:
        raise typer.Exit(3)


def main() -> None:
    """Entry point of `ml` and `python -m ml`."""
    try:
        with disk_full_told():
            app()
    except UserError as error:
        _exit_with(error)
    except ModuleNotFoundError as error:
        _exit_with(_not_installed(error))
    except KeyboardInterrupt:
        sys.exit(130)


def _exit_with(error: UserError) -> NoReturn:
    from rich.console import Console
    from rich.markup import escape

    Console(stderr=True, soft_wrap=True).print(
        f"[bold red]error:[/] {escape(error.what)}\n[bold]next:[/] {escape(error.then)}",
        highlight=False,
    )
    sys.exit(2)


def _not_installed(error: ModuleNotFoundError) -> UserError:
    command = " ".join(["ml", *sys.argv[1:3]])
    return UserError(
        f"{command}: {error.name} is not installed: it is not part of the serving image",
        "run it in the project's folder, after make setup",
    )
