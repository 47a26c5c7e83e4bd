"""What the rooms of activities and api ask of the world; adapters answer, `worker.py` joins the two."""

from domain.ports.accounts import Accounts
from domain.ports.files import Blobs, Snapshots, Workspaces
from domain.ports.forge import Forge, Forges, RepositoryTokens
from domain.ports.journal import CallCommit, Forking, Journal, RaceStanding, RunCount, RunFilter, Submission
from domain.ports.model import Model, Models
from domain.ports.network import Egress, Web
from domain.ports.process import Clock, LiveTasks, Prompts
from domain.ports.repository import Repositories
from domain.ports.sandbox import Sandbox
from domain.ports.weather import SharedWeather

__all__ = [
    "Accounts",
    "Blobs",
    "CallCommit",
    "Clock",
    "Egress",
    "Forge",
    "Forges",
    "Forking",
    "Journal",
    "LiveTasks",
    "Model",
    "Models",
    "Prompts",
    "RaceStanding",
    "Repositories",
    "RepositoryTokens",
    "RunCount",
    "RunFilter",
    "Sandbox",
    "SharedWeather",
    "Snapshots",
    "Submission",
    "Web",
    "Workspaces",
]
