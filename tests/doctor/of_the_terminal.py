"""As a module, `doctor …` is `selam-voice doctor …` that looks at nothing but the terminal, and has its keys held."""

from __future__ import annotations

from selam_cli.__main__ import main
from selam_cli.doctor import command

if __name__ == "__main__":
    command.TOPICS = tuple(topic for topic in command.TOPICS if topic.id == "terminal")  # type: ignore[misc]
    main()
