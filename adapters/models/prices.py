"""The kept price list."""

from datetime import date
from fnmatch import fnmatchcase
from pathlib import Path

import yaml
from pydantic import ValidationError

from domain.errors import InvalidRequest
from domain.model import Price
from domain.value import Value

SHIPPED = Path(__file__).parent / "prices.yaml"
FREE = Price(input=0.0, output=0.0)


class PriceList(Value):
    as_of: date
    """When the prices were last looked up."""
    models: dict[str, Price]
    """By `provider:model`, in which `*` stands for any characters; the first that matches holds."""

    def price(self, name: str) -> Price | None:
        exact = self.models.get(name)
        if exact is not None:
            return exact
        return next((price for pattern, price in self.models.items() if fnmatchcase(name, pattern)), None)

    def names(self, provider: str) -> tuple[str, ...]:
        """Those of a provider that stand for one model; a pattern's name is its beginning."""
        own = (name.rstrip("*") for name in self.models if name.startswith(f"{provider}:"))
        return tuple(name for name in own if not name.endswith((":", "-")))


def read_prices(path: Path) -> PriceList:
    """Raises InvalidRequest where the file is missing or wrong."""
    try:
        return PriceList.model_validate(yaml.safe_load(path.read_text()))
    except (OSError, yaml.YAMLError, ValidationError) as error:
        raise InvalidRequest(f"The price list {path} cannot be read: {error}", "Check PERDURE_PRICES.") from error
