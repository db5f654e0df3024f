"""The command line: builds everything, decides nothing.

What a command needs is imported by that command, so that `--help` costs no more than Typer itself.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.exceptions import TyperException

from selam_cli import __version__
from selam_cli.errors import SelamError, UsageFault
from selam_cli.procs.standard_output import Unwritten, abandon_standard_output

if TYPE_CHECKING:
    from selam_cli.config.settings import Settings
    from selam_cli.core.redaction import Redactor
    from selam_cli.engine.server_target import ServerTarget

ADVICE = "\n\n".join(
    (
        "Microphone: 16 kHz mono is sent. A headset keeps the agent from hearing itself. Speak 10 to 30 cm from it, in "
        "a quiet room, and watch the level: it should move well above the noise and never clip.",
        "Thresholds: --vad-threshold is the loudness that counts as speech (default 600; raise it in noise, lower it "
        "for a soft voice). --interrupt-threshold is how easily you interrupt the agent: 1-5 easily, 8 by default, "
        "10-15 only by confident speech.",
        "Instructions: say in a few plain sentences who the agent is, for whom, in which tone and how long: 'You are "
        "a patient teacher. Answer in two sentences.'",
    )
)
"""The guide's advice, as it stands under --help."""

app = typer.Typer(
    name="selam-voice",
    help="Talk with Selam's Voice Agent: hold space, speak, release, hear the answer.",
    add_completion=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)

Voice = Annotated[str | None, typer.Option(metavar="NAME", help="The agent's voice; `selam-voice voices` lists them.")]
Language = Annotated[
    str | None,
    typer.Option(
        metavar="CODE",
        help="Answer in am, so, ti, om or en (or am-ET, Amharic). Absent: in what is heard.",
    ),
]
Instructions = Annotated[
    str | None, typer.Option(metavar="TEXT", help="How the agent is to behave, or @FILE; at most 8,000 characters.")
]
VadThreshold = Annotated[
    str | None, typer.Option(metavar="N", help="Loudness that counts as speech, 0-32767 (default 600).")
]
InterruptThreshold = Annotated[
    str | None, typer.Option(metavar="N", help="How hard the agent is to interrupt, 1-50 (default 8).")
]
Server = Annotated[str | None, typer.Option(metavar="URL", help="Any server of the protocol: ws, wss, http or https.")]
Local = Annotated[bool | None, typer.Option("--local", help="Use the embedded agent: no key and no network needed.")]
Input = Annotated[
    str | None, typer.Option(metavar="DEVICE", help="Microphone: its number, part of its name, or a .wav file.")
]
Output = Annotated[
    str | None, typer.Option(metavar="DEVICE", help="Speaker: its number, part of its name, a .wav file, or null.")
]
Insecure = Annotated[bool | None, typer.Option("--insecure", help="Allow a key over plain ws:// to another host.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object a line on standard output, nothing else.")]
Ptt = Annotated[
    str | None, typer.Option(metavar="MODE", help="Push-to-talk: auto, hold, toggle or open (default auto).")
]


@app.command(epilog=ADVICE)
def talk(
    context: typer.Context,
    voice: Voice = None,
    language: Language = None,
    instructions: Instructions = None,
    vad_threshold: VadThreshold = None,
    interrupt_threshold: InterruptThreshold = None,
    server: Server = None,
    local: Local = None,
    input: Input = None,  # noqa: A002  # the option's name
    output: Output = None,
    insecure: Insecure = None,
    ptt: Ptt = None,
    json: Json = False,
) -> int:
    """Talk with the agent: hold space, speak, release, hear the answer."""
    flags = {
        "voice": voice,
        "language": language,
        "instructions": instructions,
        "vad_threshold": vad_threshold,
        "interrupt_threshold": interrupt_threshold,
        "server": server,
        "local": local,
        "input": input,
        "output": output,
        "insecure": insecure,
        "ptt": ptt,
    }
    settings, target = _prepared(flags, context, ask_key_store=json)
    if settings.input == "-":
        raise UsageFault("Commands come on standard input, so it cannot be the microphone too.", "Use ask, or a file.")
    if json:
        if os.environ.get("_SELAM_OUTPUT_CLOSED"):
            raise SelamError("Standard output is closed, so nobody could read the events.", "Open it, or use talk.")
        from selam_cli.commands import talk_json

        return talk_json.run(settings, target)
    _need_terminal("talk draws a screen and needs a terminal.", "Use talk --json or ask in scripts.")
    from selam_cli.engine.host.client import EngineClient

    # Before anything of Textual is loaded: the two processes start side by side.
    client = EngineClient.start(_as_arguments(flags))
    from selam_cli.tui.app import ScreenOptions
    from selam_cli.tui.app import run as run_screen

    return run_screen(
        client,
        ScreenOptions(
            voice=settings.voice,
            language=settings.language,
            instructions=settings.instructions,
            vad_threshold=settings.vad_threshold,
            interrupt_threshold=settings.interrupt_threshold,
            ptt=settings.ptt,
            talk_key=settings.talk_key,
            max_talk_s=float(settings.max_talk_s),
            resend_within_s=float(settings.resend_within_s),
        ),
    )


@app.command(epilog=ADVICE)
def ask(
    context: typer.Context,
    file: Annotated[str, typer.Argument(help="A sound file, or - for standard input: one of these, or raw PCM16.")],
    out: Annotated[str | None, typer.Option(metavar="FILE", help="Keep the agent's voice in this WAV file.")] = None,
    timeout: Annotated[float, typer.Option(metavar="SECONDS", help="To wait for an answer, once all is said.")] = 60.0,
    voice: Voice = None,
    language: Language = None,
    instructions: Instructions = None,
    vad_threshold: VadThreshold = None,
    interrupt_threshold: InterruptThreshold = None,
    server: Server = None,
    local: Local = None,
    # Only to be refused with a reason, so it is no option that the help lists.
    input: Annotated[str | None, typer.Option(hidden=True)] = None,  # noqa: A002  # the option's name
    output: Output = None,
    insecure: Insecure = None,
    json: Json = False,
) -> int:
    """Say one recorded question and print what was understood and the answer."""
    if input is not None:
        raise UsageFault("ask speaks the file that it is given, so --input has no place here.", "Leave --input out.")
    if not 0 < timeout <= 86_400:
        raise UsageFault("--timeout must be more than 0 and at most 86400 seconds.", "Correct it and try again.")
    settings, target = _prepared(
        {
            "voice": voice,
            "language": language,
            "instructions": instructions,
            "vad_threshold": vad_threshold,
            "interrupt_threshold": interrupt_threshold,
            "server": server,
            "local": local,
            "output": output,
            "insecure": insecure,
        },
        context,
    )
    from selam_cli.commands import ask as ask_once

    return ask_once.run(ask_once.Wish(file, out, timeout, json), settings, target)


@app.command()
def login(
    context: typer.Context,
    key: Annotated[str | None, typer.Argument(hidden=True)] = None,
    server: Server = None,
    untried: Annotated[bool, typer.Option("--untried", help="Keep the key without trying it.")] = False,
    insecure: Insecure = None,
) -> int:
    """Ask for the API key, try it, and keep it in the system's key store, or in a file that only you can read."""
    if key is not None:
        raise UsageFault(
            "A key on the command line stands in the process list and in the shell's history.",
            "Run selam-voice login and type it there, or pipe it in. If others use this machine, make a new key.",
        )
    from selam_cli.commands import login as login_command
    from selam_cli.config.settings import load_settings

    edge: _Edge = context.obj
    return login_command.run(
        load_settings({"server": server, "insecure": insecure}), untried=untried, on_key=edge.learn
    )


@app.command()
def logout(server: Server = None) -> int:
    """Remove the kept API key from every place, for one server or for all."""
    from selam_cli.commands import logout as logout_command
    from selam_cli.config.settings import load_settings

    if server is not None:
        load_settings({"server": server})
    return logout_command.run(server)


@app.command()
def devices(json: Json = False) -> int:
    """List microphones and speakers, the default ones marked."""
    from selam_cli.commands.listings import show_devices

    return show_devices(as_json=json)


@app.command()
def voices(json: Json = False) -> int:
    """List the voices by language."""
    from selam_cli.commands.listings import show_voices

    return show_voices(as_json=json)


@app.command()
def models(
    name: Annotated[str | None, typer.Argument(help="The model to download; absent: the list of them.")] = None,
) -> int:
    """List the models that the embedded agent can use, or download one."""
    from selam_cli.commands import models

    return models.show_models() if name is None else models.download_model(name)


@app.command()
def keys(ptt: Ptt = None) -> int:
    """Show what the terminal reports of each key, and which way of push-to-talk follows."""
    from selam_cli.config.settings import load_settings

    settings = load_settings({"ptt": ptt})
    _need_terminal("keys shows what a keyboard does and needs a terminal.", "Run it where you want to talk.")
    from selam_cli.core.push_to_talk import Mode
    from selam_cli.tui import keys_screen

    return keys_screen.run(Mode(settings.ptt), settings.talk_key)


@app.command()
def doctor(
    server: Server = None,
    local: Local = None,
    input: Input = None,  # noqa: A002  # the option's name
    output: Output = None,
    insecure: Insecure = None,
    speak: Annotated[
        bool | None, typer.Option("--speak/--no-speak", help="Measure a spoken sentence; by default in a terminal.")
    ] = None,
    json: Json = False,
) -> int:
    """Check everything that a conversation needs, and say how to mend what fails."""
    from selam_cli.doctor import command

    flags = {"server": server, "local": local, "input": input, "output": output, "insecure": insecure}
    return command.run(command.Wish(flags, json, speak))


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0 takes a free one.")] = 8765,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes that share the port.")] = 1,
    max_sessions: Annotated[int | None, typer.Option(min=1, metavar="N", help="More are refused.")] = None,
    keys_file: Annotated[str | None, typer.Option(metavar="FILE", help="Accepted API keys, one a line.")] = None,
    allow_origin: Annotated[
        list[str] | None, typer.Option(metavar="URL", help="A web page's origin that may connect; none by default.")
    ] = None,
    limits: Annotated[
        bool | None,
        typer.Option("--limits/--no-limits", help="Of rate and time; by default not on loopback."),
    ] = None,
    max_session_minutes: Annotated[
        float | None, typer.Option(min=0.1, metavar="N", help="The longest session; 60 where limits hold.")
    ] = None,
    idle_minutes: Annotated[
        float | None, typer.Option(min=0.1, metavar="N", help="The longest silence of a client; 10 where limits hold.")
    ] = None,
    child: Annotated[bool, typer.Option("--child", hidden=True)] = False,
) -> int:
    """Run the embedded agent for other clients."""
    from selam_cli.commands import serve

    if child:
        return serve.run_child()
    return serve.run_serve(
        host=host,
        port=port,
        workers=workers,
        max_sessions=max_sessions,
        keys_file=keys_file,
        allow_origins=tuple(allow_origin or ()),
        limited=limits,
        max_session_minutes=max_session_minutes,
        idle_minutes=idle_minutes,
    )


def _need_terminal(reason: str, remedy: str) -> None:
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageFault(reason, remedy)
    term = os.environ.get("TERM", "")
    if sys.platform != "win32" and term in {"", "dumb", "unknown"}:  # an editor's shell, say: it would show the codes
        raise UsageFault(f"TERM is {term!r}, a terminal on which no screen can be drawn.", remedy)


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Show the version.", is_eager=True)] = False,
) -> None:
    """Talk with Selam's Voice Agent: hold space, speak, release, hear the answer."""
    if version:
        print(f"selam-voice {__version__}")  # noqa: T201  # its output
        raise typer.Exit
    if context.invoked_subcommand is None:
        print(context.get_help())  # noqa: T201  # its output


class _Edge:
    """Where failures are printed: it learns the run's keys as the command does, and prints none of them."""

    def __init__(self) -> None:
        self._secrets: tuple[str, ...] = ()

    def learn(self, secrets: Sequence[str]) -> None:
        self._secrets = (*self._secrets, *secrets)

    @property
    def redactor(self) -> Redactor:
        from selam_cli.core.redaction import Redactor, secrets_of_environment

        return Redactor.of((*self._secrets, *secrets_of_environment(os.environ)))

    def tell(self, error: SelamError) -> int:
        """Print an error's two sentences; return its exit status."""
        told = f"{error.reason}\n{error.remedy}".strip()
        with contextlib.suppress(OSError):  # it may have no reader, and the status still says it
            print(self.redactor.shown(told), file=sys.stderr, flush=True)  # noqa: T201  # its output
        return error.exit_code

    def tell_bug(self, error: Exception) -> int:
        """Print that the program failed; its traceback only for those who ask."""
        from selam_cli.core.outside_text import variable

        if variable(os.environ, "SELAM_DEBUG") == "1":
            from selam_cli.logs.redacting import redacted_traceback

            print(redacted_traceback(error, self.redactor), end="", file=sys.stderr)  # noqa: T201  # its output
        problem = f"The program failed ({type(error).__name__})."
        return self.tell(SelamError(problem, "Run it again with SELAM_DEBUG=1 and report what it says."))


def run(arguments: Sequence[str]) -> int:
    """Run the command line; return the exit status. Every failure becomes two sentences on standard error."""
    edge = _Edge()
    try:
        status = _status(arguments, edge)
        if sys.stdout is not None:
            sys.stdout.flush()  # whatever way a command ended: at Python's exit a failure would be out of reach
    except BrokenPipeError:
        status = 1  # the reader has seen enough, like `head`
    except Unwritten as error:
        status = edge.tell(error)
    else:
        return status
    abandon_standard_output()
    return status


def _status(arguments: Sequence[str], edge: _Edge) -> int:
    try:
        status = app(args=list(arguments), prog_name="selam-voice", standalone_mode=False, obj=edge)
    except (BrokenPipeError, Unwritten):
        raise
    except SelamError as error:
        return edge.tell(error)
    except TyperException as error:
        context = getattr(error, "ctx", None)
        asked = context.command_path if context is not None else "selam-voice"
        problem = _sentence(error.format_message())
        return edge.tell(UsageFault(problem, f"See {asked} --help.") if error.exit_code == 2 else SelamError(problem))
    except (KeyboardInterrupt, typer.Abort):
        return 130
    except Exception as error:  # the program's edge: a user gets sentences, and a traceback only by asking for one
        return edge.tell_bug(error)
    return status if isinstance(status, int) else 0


def _prepared(
    flags: Mapping[str, object], context: typer.Context, *, ask_key_store: bool = True
) -> tuple[Settings, ServerTarget]:
    """Return the settings and the server with its key. The screen's process knows no kept key: its engine finds it."""
    from selam_cli.config.settings import load_settings
    from selam_cli.core.protocol import HOSTED_SERVER
    from selam_cli.credentials.handshake import environment_credentials, load_credentials
    from selam_cli.engine.server_target import choose_target

    settings = load_settings(flags)
    if settings.local or not ask_key_store:
        credentials = environment_credentials()
    else:
        credentials = load_credentials(server=settings.server or HOSTED_SERVER)
    edge: _Edge = context.obj
    edge.learn(credentials.secrets)
    return settings, choose_target(settings, credentials)


def _as_arguments(flags: Mapping[str, Any]) -> list[str]:
    arguments: list[str] = []
    for name, value in flags.items():
        option = f"--{name.replace('_', '-')}"
        if value is True:
            arguments.append(option)
        elif value is not None:
            arguments.append(f"{option}={value}")
    return arguments


def _sentence(text: str) -> str:
    text = text.strip()
    return text if text.endswith((".", "!", "?")) else f"{text}."
