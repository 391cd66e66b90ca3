"""A small certificate authority, made with the openssl program in a directory of its own."""

from __future__ import annotations

import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

CONFIG = """
[ca]
default_ca = authority
[authority]
dir = {directory}
new_certs_dir = $dir
database = $dir/index.txt
serial = $dir/serial
default_md = sha256
policy = anything
unique_subject = no
copy_extensions = none
[anything]
commonName = supplied
[req]
distinguished_name = name
prompt = no
[name]
commonName = unnamed
"""

# What each kind of certificate claims, and from when to when.
NAMES = {
    "good": "DNS:localhost,IP:127.0.0.1",
    "expired": "DNS:localhost,IP:127.0.0.1",
    "not-yet-valid": "DNS:localhost,IP:127.0.0.1",
    "wrong-host": "DNS:other.example,IP:192.0.2.7",
    "self-signed": "DNS:localhost,IP:127.0.0.1",
    "old-protocol": "DNS:localhost,IP:127.0.0.1",
}
VALIDITY = {
    "expired": ("20200101000000Z", "20210101000000Z"),
    "not-yet-valid": ("20900101000000Z", "20910101000000Z"),
}
VALID_NOW = ("20200101000000Z", "20900101000000Z")


@dataclass
class Certificates:
    context: ssl.SSLContext
    # The authority that signed the server's certificate, and one that did not.
    ca_file: Path
    other_ca_file: Path


class Authority:
    def __init__(self, directory: Path, name: str) -> None:
        self.directory = directory / name
        self.directory.mkdir()
        (self.directory / "index.txt").touch()
        (self.directory / "serial").write_text("01\n")
        self.config = self.directory / "openssl.cnf"
        self.config.write_text(CONFIG.format(directory=self.directory))
        self.certificate = self.directory / "ca.pem"
        self.key = self.directory / "ca.key"
        self._self_signed(self.key, self.certificate, name, "basicConstraints=critical,CA:TRUE")

    def _openssl(self, *arguments: str | Path) -> None:
        command = ["openssl", *map(str, arguments)]
        done = subprocess.run(
            command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
        )
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command)} failed: {done.stderr}")

    def _new_key(self, key: Path) -> None:
        self._openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", key)

    def _self_signed(self, key: Path, certificate: Path, name: str, extension: str) -> None:
        self._new_key(key)
        self._openssl(
            "req", "-x509", "-new", "-config", self.config, "-key", key, "-subj", f"/CN={name}",
            "-days", "30", "-addext", extension, "-out", certificate,
        )  # fmt: skip

    def issue(self, kind: str) -> tuple[Path, Path]:
        """A server certificate of that kind and its key."""
        key, request = self.directory / "server.key", self.directory / "server.csr"
        certificate, extensions = self.directory / "server.pem", self.directory / "server.ext"
        if kind == "self-signed":
            self._self_signed(key, certificate, "localhost", f"subjectAltName={NAMES[kind]}")
            return certificate, key
        self._new_key(key)
        self._openssl(
            "req", "-new", "-config", self.config, "-key", key, "-subj", "/CN=peer", "-out", request
        )
        extensions.write_text(f"basicConstraints=CA:FALSE\nsubjectAltName={NAMES[kind]}\n")
        start, end = VALIDITY.get(kind, VALID_NOW)
        self._openssl(
            "ca", "-batch", "-notext", "-config", self.config, "-cert", self.certificate,
            "-keyfile", self.key, "-extfile", extensions, "-startdate", start, "-enddate", end,
            "-in", request, "-out", certificate,
        )  # fmt: skip
        return certificate, key


def make_certificates(kind: str, directory: Path) -> Certificates:
    ours, other = Authority(directory, "ours"), Authority(directory, "other")
    certificate, key = ours.issue(kind)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    if kind == "old-protocol":
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
        context.set_ciphers("DEFAULT@SECLEVEL=0")
    return Certificates(context, ours.certificate, other.certificate)
