import hashlib
import hmac
import sys
import time


def verify(secret: str, timestamp: str, signature: str, body: bytes) -> bool:
    """`timestamp` and `signature` are the headers X-Timestamp and X-Signature, `body` the bytes as they came."""
    if not (timestamp.isascii() and timestamp.isdigit()) or abs(time.time() - int(timestamp)) > 300:
        return False
    expected = hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(f"v1={expected}".encode(), signature.encode())


if __name__ == "__main__":
    secret, timestamp, signature = sys.argv[1:]
    sys.exit(0 if verify(secret, timestamp, signature, sys.stdin.buffer.read()) else 1)
