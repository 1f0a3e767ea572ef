"""What in a scene speaks for a rule: a class for each kind of rule, a module for each family."""

from __future__ import annotations

from daemon.config.rules import (
    AbsenceRule,
    ActionRule,
    FallRule,
    FightRule,
    LineCrossingRule,
    LoiteringRule,
    LyingRule,
    Rule,
    RunningRule,
    WavingRule,
    ZoneExitRule,
)
from daemon.watchers.base import Key, Observation, Watcher
from daemon.watchers.doing import Doing
from daemon.watchers.falls import Fall, Lying
from daemon.watchers.fights import Fight
from daemon.watchers.groups import Group
from daemon.watchers.lines import LineCrossing
from daemon.watchers.presence import Absence, Presence, ZoneExit

__all__ = ["Key", "Observation", "Watcher", "labels_of", "watcher_for"]


def watcher_for(rule: Rule) -> Watcher:
    """The watcher of a rule's type, and for several people at once."""
    if isinstance(rule, FightRule):
        return Fight(rule)
    if isinstance(rule, AbsenceRule):
        return Absence(rule)
    single = _of_one(rule)
    return Group(single) if rule.min_people > 1 else single


def _of_one(rule: Rule) -> Watcher:
    if isinstance(rule, FallRule):
        return Fall(rule)
    if isinstance(rule, LyingRule):
        return Lying(rule)
    if isinstance(rule, ZoneExitRule):
        return ZoneExit(rule)
    if isinstance(rule, LineCrossingRule):
        return LineCrossing(rule)
    labels = labels_of(rule)
    if labels:
        return Doing(rule, labels)
    return Presence(rule, rule.clear if isinstance(rule, LoiteringRule) else 1.0)


def labels_of(rule: Rule) -> tuple[str, ...]:
    """Labels of the action model without which a rule says nothing, or less."""
    if isinstance(rule, FallRule):
        return ("falling", "lying")
    if isinstance(rule, (LyingRule, WavingRule, RunningRule)):
        return (rule.type,)
    return rule.actions if isinstance(rule, ActionRule) else ()
