"""Fixtures of all tests of the whole product, and the logs of whatever still runs when one fails."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import product as product_module  # noqa: E402
from product import Mock, Product  # noqa: E402


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
