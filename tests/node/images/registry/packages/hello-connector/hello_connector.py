"""What the tests install."""

VERSION = "1.0"

if __name__ == "__main__":
    print(f"hello from {VERSION}")  # noqa: T201 (its only purpose)
