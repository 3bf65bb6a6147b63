"""Write the JSON schema of every provider's settings into the contract: `make generate`; `--check` in CI.

The operator and `parley check` judge a component by these files without importing a provider.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from parley_crds import checks
from parley_crds.generated_files import write_or_check
from parley_sidecar.providers import component_types, module_of

FOLDER = Path(checks.__file__).parent / "settings"


def generated(folder: Path) -> dict[Path, str]:
    """Return every schema's text by its path in `folder`."""
    schemas = {name: module_of(name).Settings.model_json_schema(by_alias=True) for name in component_types()}
    return {folder / f"{name}.json": json.dumps(schema, indent=2) + "\n" for name, schema in schemas.items()}


def main(words: Sequence[str], folder: Path = FOLDER) -> int:
    """Write the files, or with `--check` say which ones are stale or have no provider."""
    return write_or_check(generated(folder), folder.glob("*.json"), words)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
