"""Which names mean this machine."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from ml.errors import RefusedError
from ml.serving.api.origin import check_host


@given(name=st.from_regex(r"[a-z0-9.-]{1,40}", fullmatch=True), port=st.integers(0, 65535))
@example(name="localhost.", port=1)
def test_a_name_is_loopback_or_refused(name: str, port: int) -> None:
    """Only localhost and addresses of 127.0.0.0/8 are answered, whatever is put around them."""
    digits = name.split(".")
    own = name == "localhost" or (
        digits[0] == "127"
        and len(digits) == 4
        and all(d.isdigit() and int(d) < 256 for d in digits)
    )
    try:
        check_host({b"host": f"{name}:{port}".encode()}, frozenset())
    except RefusedError:
        assert not own or any(d != str(int(d)) for d in digits)  # 127.0.0.01
    else:
        assert own
