"""A command that shows in its report how it was called."""

from __future__ import annotations

import click


class RememberingCommand(click.Command):
    """A command that keeps the words it was called with in `ctx.meta["words"]`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """See `click.Command`."""
        ctx.meta["words"] = [*ctx.command_path.split(), *args]
        return super().parse_args(ctx, args)
