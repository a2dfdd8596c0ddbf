"""``thermometer list``: the studies and what each measures."""

from __future__ import annotations

import json

import click


@click.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_studies(as_json: bool) -> int:
    """List the studies and what each measures."""
    from studies.specs.yaml_files import load_recipe, recipe_names

    recipes = {name: load_recipe(name) for name in recipe_names()}
    if as_json:
        listed = [{"study": name, "measures": r["measures"]} for name, r in recipes.items()]
        click.echo(json.dumps(listed))
        return 0
    for name, recipe in recipes.items():
        presets = ", ".join(recipe.get("presets", {}))
        click.echo(f"{name}\n  {recipe['measures']}\n  presets: {presets}")
    return 0
