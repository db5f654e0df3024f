"""Certificates for the tests' TLS servers, right ones and wrong ones, made by openssl."""

from __future__ import annotations

import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.support.needs import need_programs

_AUTHORITY = """
[ca]
default_ca = here
[here]
dir = {folder}
database = {folder}/index.txt
serial = {folder}/serial
new_certs_dir = {folder}
default_md = sha256
policy = any
x509_extensions = names
copy_extensions = none
[any]
commonName = supplied
[names]
subjectAltName = DNS:{host}{also}
"""


@dataclass(frozen=True, slots=True)
class Certificate:
    file: Path
    key: Path

    @property
    def context(self) -> ssl.SSLContext:
        """What a server speaks TLS with."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.file, self.key)
        return context


def certificate(folder: Path, host: str, *, until: str = "20991231235959Z", also: str = "") -> Certificate:
    """Make a certificate that is signed by itself, for `host` and `also` (",IP:…"), valid from 2020 until then."""
    need_programs("openssl")
    folder.mkdir(parents=True)
    (folder / "index.txt").touch()
    (folder / "serial").write_text("01\n")
    (folder / "ca.conf").write_text(_AUTHORITY.format(folder=folder, host=host, also=also))
    made = Certificate(folder / "certificate.pem", folder / "key.pem")
    _openssl("req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", made.key, "-out", folder / "asked.pem",
             "-subj", f"/CN={host}")  # fmt: skip
    _openssl("ca", "-batch", "-selfsign", "-config", folder / "ca.conf", "-in", folder / "asked.pem", "-keyfile",
             made.key, "-out", made.file, "-startdate", "20200101000000Z", "-enddate", until, "-notext")  # fmt: skip
    return made


def _openssl(*arguments: object) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)
