"""`of-nautilus dashboard`: what a running node sees and does, in a browser."""

import argparse
import os
from pathlib import Path

from of_nautilus.cli.replay import add_address, needs_extra
from of_nautilus.errors import UserError
from of_nautilus.files import folder_only

FIGURES = False
EXAMPLES = """\
examples:
  of-nautilus dashboard state/dashboard     the folder that the node's DashboardFeed writes

The node's config needs the actor of_nautilus.dashboard.actor:DashboardFeed. Pause, resume and
flatten need a token in OF_NAUTILUS_DASHBOARD_TOKEN, as does any address but 127.0.0.1.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.epilog = EXAMPLES
    parser.add_argument(
        "folder",
        nargs="?",
        default="state/dashboard",
        metavar="FOLDER",
        help="where the node writes (%(default)s)",
    )
    add_address(parser)


def run(args: argparse.Namespace) -> int:
    """Serve until it is stopped."""
    needs_extra()
    from of_nautilus.dashboard.live import LiveSource
    from of_nautilus.dashboard.rings import RingError
    from of_nautilus.dashboard.server import serve

    folder_only(args.folder)
    if Path(args.folder).is_file():
        raise UserError(
            "is a file", args.folder, todo="name the folder that the node's DashboardFeed writes"
        )
    try:
        source = LiveSource(Path(args.folder))
    except RingError as error:
        raise UserError(str(error), "dashboard") from None
    os.nice(10)  # the node comes first
    serve(source, args.host, args.port, tuple(args.name), quiet=args.quiet)
    return 0
