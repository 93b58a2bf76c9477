# Sourced: makes the virtual environment of Tests/Clients in .venv, or leaves it as it is; sets `venv`.
venv=.venv
if [ ! -f "$venv/requirements" ] || ! cmp -s "$venv/requirements" Tests/Clients/requirements.txt; then
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check -r Tests/Clients/requirements.txt
    cp Tests/Clients/requirements.txt "$venv/requirements"
fi
# SDKs that take minutes to install, for test_sdks.py only.
if [ -n "${TRUTHTABLE_SDKS:-}" ] && ! cmp -s "$venv/requirements-sdks" Tests/Clients/requirements-sdks.txt; then
    "$venv/bin/pip" install --quiet --disable-pip-version-check -r Tests/Clients/requirements.txt -r Tests/Clients/requirements-sdks.txt
    cp Tests/Clients/requirements-sdks.txt "$venv/requirements-sdks"
fi
