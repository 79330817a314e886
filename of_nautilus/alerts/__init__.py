"""Alerts and commands through Telegram, from outside the trading path.

The actor `Alerts` appends what it hears to a queue. A thread with an event loop of its own makes
the texts, draws the pictures, keeps to the service's limits, and answers authorized chats.
"""

from of_nautilus.alerts.actor import Alerts
from of_nautilus.alerts.config import KINDS, AlertsConfig

__all__ = ["KINDS", "Alerts", "AlertsConfig"]
