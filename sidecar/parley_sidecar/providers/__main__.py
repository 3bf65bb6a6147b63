"""Write the JSON schema of every provider's settings into the contract: `make generate`; `--check` in CI.

The operator and `parley check` judge a component by these files without importing a provider.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from parley_crds import checks
from parley_sidecar.providers import component_types, module_of

FOLDER = Path(checks.__file__).parent / "settings"


def generated(folder: Path) -> dict[Path, str]:
    """Return every schema's text by its path in `folder`."""
    schemas = {name: module_of(name).Settings.model_json_schema(by_alias=True) for name in component_types()}
    return {folder / f"{name}.json": json.dumps(schema, indent=2) + "\n" for name, schema in schemas.items()}


def main(words: Sequence[str], folder: Path = FOLDER) -> int:
    """Write the files, or with `--check` say which ones are stale or have no provider."""
    wanted = generated(folder)
    orphans = sorted(set(folder.glob("*.json")) - set(wanted))
    stale = [path for path, text in wanted.items() if not path.exists() or path.read_text("utf-8") != text]
    if "--check" in words:
        for path in stale + orphans:
            print(f"{path.name} is not up to date: run make generate", file=sys.stderr)
        return 1 if stale or orphans else 0
    for path in orphans:
        path.unlink()
    for path, text in wanted.items():
        path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
