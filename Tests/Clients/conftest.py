"""Fixtures of all tests of the whole product, and the logs of whatever still runs when one fails."""

import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import product as product_module  # noqa: E402
from product import Mock, Product  # noqa: E402
from tls import client_context  # noqa: E402


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.failed:
        for process in product_module.running:
            name = Path(process.arguments[0]).name
            report.sections.append((f"log of {name} ({process.pid}): {process.log_path}", "\n".join(process.log.splitlines()[-60:])))
    return report


@pytest.fixture(scope="session")
def mock():
    mock = Mock()
    yield mock
    mock.end()


@pytest.fixture(scope="module")
def product(mock):
    """One product in front of the mock for all tests of a file that leave it as it was."""
    product = Product(mock.url, test_mode="true")
    yield product
    product.end()


@pytest.fixture
def start(mock):
    """Starts products of a test's own."""
    started = []

    def start(upstream=None, **settings):
        product = Product(upstream or mock.url, **settings)
        started.append(product)
        return product

    yield start
    for product in started:
        product.end()


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    """A certificate authority, and certificates of its own making."""
    folder = tmp_path_factory.mktemp("tls")

    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=Test CA")
    for name, names, days in (("good", "DNS:localhost,IP:127.0.0.1", "2"), ("other", "DNS:other.example", "2"), ("expired", "DNS:localhost,IP:127.0.0.1", "-1")):
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        (folder / f"{name}.ext").write_text(f"subjectAltName={names}\n")
        days = ["-days", days] if days != "-1" else ["-not_before", "20200101000000Z", "-not_after", "20200102000000Z"]
        try:
            openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", f"{name}.ext", "-out", f"{name}.pem", *days)
        except subprocess.CalledProcessError:
            (folder / f"{name}.pem").unlink(missing_ok=True)  # an openssl that cannot make old certificates
    return folder


@pytest.fixture
def start_tls(start, authority):
    """Starts products whose clients speak TLS."""
    return lambda upstream=None, **settings: start(upstream, **{"tls_cert": authority / "good.pem", "tls_key": authority / "good.key", **settings})


@pytest.fixture
def context(authority):
    return client_context(authority)
