"""TLS of the connection to the broker, and what its failures mean."""

from __future__ import annotations

import ssl

from daemon.config.mqtt import MqttConfig, TlsConfig

__all__ = ["tls_context", "tls_problem"]

# OpenSSL, x509_vfy.h: X509_V_ERR_*
_NOT_YET_VALID, _EXPIRED = 9, 10
_UNKNOWN_AUTHORITY = (2, 18, 19, 20, 21)
_OTHER_NAME = (62, 64)
_NO_TLS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "UNEXPECTED_EOF")


def tls_context(settings: TlsConfig) -> ssl.SSLContext:
    """A client's context; files are read now, so that renewed certificates are used on the next connect.

    Raises:
        OSError: a file cannot be read, or is no certificate or key (ssl.SSLError).
    """
    context = ssl.create_default_context(cafile=str(settings.ca) if settings.ca else None)
    if settings.certificate and settings.key:
        # An empty password: without one OpenSSL would ask for that of an encrypted key on the terminal.
        context.load_cert_chain(str(settings.certificate), str(settings.key), password="")
    if not settings.verify:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def tls_problem(error: OSError, settings: MqttConfig) -> str:
    """What a failure of TLS means, and what to look at."""
    if isinstance(error, ssl.SSLCertVerificationError):
        code = error.verify_code
        if code in _OTHER_NAME:
            return (
                f"the broker's certificate is not for {settings.host}: "
                "use a name of the certificate as mqtt.host"
            )
        if code in _UNKNOWN_AUTHORITY:
            authority = settings.tls.ca or "the system's authorities"
            return f"the broker's certificate is not signed by {authority}: check mqtt.tls.ca"
        if code == _EXPIRED:
            return "the broker's certificate has expired: renew it, or check this machine's clock"
        if code == _NOT_YET_VALID:
            return "the broker's certificate is not valid yet: check this machine's clock"
        return f"the broker's certificate is refused: {error.verify_message}"
    if isinstance(error, ConnectionResetError):
        return f"port {settings.port} ends the connection, it may not speak TLS: check mqtt.port"
    if not isinstance(error, ssl.SSLError):
        return f"{type(error).__name__}: {error}"
    reason = error.reason or ""
    if any(text in reason for text in _NO_TLS):
        return f"port {settings.port} does not speak TLS: check mqtt.port"
    if error.library in ("PEM", "X509") or any(text in str(error) for text in ("PEM", "KEY_VALUES")):
        return "mqtt.tls files cannot be used: check that ca, certificate and key are such, and not encrypted"
    return f"TLS: {reason or error}"
