"""How far an `https:` source reaches: the allow-list, redirects, private networks and certificates."""

import datetime
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from serving.adapters.sources.source import SourceSettings
from serving.errors import SourceRefused, SourceUnavailable
from tests.serving.adapters.conftest import OpenStore
from tests.serving.web_server import Web, running_web


@pytest.fixture
def web() -> Iterator[Web]:
    with running_web() as web:
        yield web


@pytest.fixture
def secure_web(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Web]:
    """With a certificate for the name localhost alone, which the node's environment trusts."""
    certificate = tmp_path / "localhost.pem"
    certificate.write_bytes(_certificate())
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with running_web("localhost", tls) as web:
        yield web


def _certificate() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now - datetime.timedelta(days=1))
    builder = builder.not_valid_after(now + datetime.timedelta(days=1))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private + builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


FAST = SourceSettings(pause_s=0.01, timeout_s=5.0, attempts=1)


async def test_a_certificate_is_checked_against_the_hosts_name_although_its_address_is_contacted(
    secure_web: Web, open_store: OpenStore, files: dict[str, bytes]
) -> None:
    url = secure_web.put("x", files)
    other_name = url.replace("localhost", "127.0.0.1")
    store = open_store(allowed_sources=[f"{secure_web.url}/", other_name], settings=FAST)

    assert (await store.add("x", url)).rank == 2
    with pytest.raises(SourceUnavailable, match="certificate"):
        await store.add("y", other_name)


async def test_a_private_host_must_be_named(secure_web: Web, open_store: OpenStore, files: dict[str, bytes]) -> None:
    url = secure_web.put("x", files)

    with pytest.raises(SourceRefused, match="private network") as refusal:
        await open_store(allowed_sources=["https:"], settings=FAST).add("x", url)

    assert secure_web.requests == []
    named = refusal.value.reason.rpartition(" ")[2]
    assert (await open_store(allowed_sources=[named], settings=FAST).add("x", url)).rank == 2


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "[::1]", "10.0.0.1", "169.254.169.254", "[::ffff:127.0.0.1]", "[fd00::1]", "2130706433", "0"]
)
async def test_no_form_of_a_private_address_is_contacted(host: str, open_store: OpenStore) -> None:
    with pytest.raises(SourceRefused, match="private network"):
        await open_store(allowed_sources=["https:"], settings=FAST).add("x", f"https://{host}/x")


async def test_a_redirect_is_followed_to_what_is_allowed_and_nowhere_else(
    web: Web, open_store: OpenStore, files: dict[str, bytes]
) -> None:
    with running_web() as elsewhere:
        target = elsewhere.put("content", files)
        web.redirects = {f"/x/{name}": f"{target}/{name}?signature=1" for name in files}
        web.redirects["/x/chat_template.jinja"] = f"{target}/chat_template.jinja"

        with pytest.raises(SourceRefused, match="does not allow adapters from"):
            await open_store(allowed_sources=[f"{web.url}/"], settings=FAST).add("x", f"{web.url}/x")
        assert elsewhere.requests == []
        both = open_store(allowed_sources=[f"{web.url}/", f"{elsewhere.url}/content"], settings=FAST)
        assert (await both.add("x", f"{web.url}/x")).rank == 2


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("http://localhost/", "not protected"),
        ("file:///etc/passwd", "not protected"),
        ("https://user:pw@localhost/", "has a user or an ambiguous path"),
        ("/x/adapter_config.json", "redirects more than"),
        ("https://127.0.0.1/", "does not allow"),
    ],
)
async def test_a_redirect_never_leaves_https_and_ends(
    target: str, reason: str, secure_web: Web, open_store: OpenStore
) -> None:
    secure_web.redirects["/x/adapter_config.json"] = target
    store = open_store(allowed_sources=[f"{secure_web.url}/", "http://localhost/"], settings=FAST)

    with pytest.raises(SourceRefused, match=reason):
        await store.add("x", f"{secure_web.url}/x")


@pytest.mark.parametrize(
    "place",
    [
        "/other/x",
        "/team-evil/x",
        "/team/../other",
        "/team/%2e%2e/other",
        "/team/%2E./other",
        "/team/%252e%252e/other",
        "/team//x",
        "/team\\x",
        "/team/x?token=1",
        "/team/x#v1",
    ],
)
async def test_only_folders_below_the_allowed_one_are_requested(place: str, web: Web, open_store: OpenStore) -> None:
    store = open_store(allowed_sources=[f"{web.url}/team/"], settings=FAST)

    with pytest.raises(SourceRefused):
        await store.add("x", web.url + place)

    assert web.requests == []


@pytest.mark.parametrize("source", ["https:", "https://", "https:///x", "https://user@host/x", "http://host/x"])
async def test_an_address_that_is_not_plain_is_refused(source: str, open_store: OpenStore) -> None:
    with pytest.raises(SourceRefused):
        await open_store(allowed_sources=["https:"]).add("x", source)
