"""Says, from what was to be seen alone, whether a rule's condition held: the judge of the state machine.

Nothing here comes from the daemon but the settings of the rules. `may_raise` is what must be true of every
alert that is raised, `must_be_on` what leaves no choice but to have raised one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from alert_world import LANES, WIDTH, Moment, Sight

from daemon.config.rules import Rule

EPS = 1e-4
GAP = 1.0  # seconds without evidence that one condition survives
WEEK = 7 * 24 * 60
LABELS = {"waving": "waving", "running": "running", "lying": "lying"}
PRESENCE = ("zone_entry", "loitering", "crowd")


def watches(rule: Rule, profile: str | None, clock: float) -> bool:
    """Whether the rule is part of the profile, and the clock within its hours."""
    if rule.profiles and profile not in rule.profiles:
        return False
    minute = int((clock // 60 + 3 * 24 * 60) % WEEK)  # 1970 began on a Thursday
    week = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    for hours in rule.schedule:
        length = (hours.to - hours.from_) % (24 * 60) or 24 * 60
        for day in hours.days or week:
            if (minute - week.index(day) * 24 * 60 - hours.from_) % WEEK < length:
                return True
    return not rule.schedule


def in_zone(sight: Sight, zone: str) -> bool:
    return zone == "" or (sight.x < 0.5) == (zone == "left")


def in_zones(rule: Rule, sight: Sight) -> bool:
    return not rule.zones or any(in_zone(sight, zone) for zone in rule.zones)


def fits(rule: Rule, sight: Sight | None, zone: str = "") -> bool:
    """Whether somebody who is seen does what the rule is about, in the zone (of a rule by zones)."""
    if sight is None or not in_zones(rule, sight) or not in_zone(sight, zone):
        return False
    if rule.type in LABELS:
        return sight.action == LABELS[rule.type] and sight.action_score >= rule.min_score
    return sight.score >= rule.min_score


def counted(rule: Rule, moments: Sequence[Moment], index: int, zone: str = "") -> int:
    """How many people fit the rule at a frame, or did within the second before it and no new scene since."""
    now = moments[index].t
    lanes = set()
    for moment in reversed(moments[: index + 1]):
        if moment.t < now and now - moment.t >= GAP - EPS:
            break
        lanes |= {lane for lane in LANES if fits(rule, moment.seen.get(lane), zone)}
        if moment.cut:
            break
    return len(lanes)


def held(
    moments: Sequence[Moment], since: float, seconds: float, gap: float, fit: Callable[[Moment], bool]
) -> bool:
    """Whether something has held for so long up to the last frame, with gaps of up to `gap` seconds.

    Frames up to `since` are not looked at, and neither what was before a cut.
    """
    now, last = moments[-1].t, None
    if not fit(moments[-1]):
        return False
    unseen: list[float] = []
    for moment in reversed(moments):
        if moment.t <= since:
            break
        if fit(moment):
            if last is not None:
                paused = any(one.after_pause for one in moments_between(moments, moment.t, last))
                if any(t - moment.t >= gap + EPS for t in unseen) or (paused and last - moment.t > gap + EPS):
                    break
            last, unseen = moment.t, []
        else:
            unseen.append(moment.t)
        if moment.cut:
            break
    return last is not None and now - last >= seconds - EPS


def moments_between(moments: Sequence[Moment], after: float, upto: float) -> list[Moment]:
    return [one for one in moments[-400:] if after < one.t <= upto]


def may_raise(rule: Rule, moments: Sequence[Moment], since: float, lane: int | None, zone: str) -> bool:
    """Whether an alert may be raised at the last frame: its condition has held.

    Args:
        rule: its settings.
        moments: all frames so far.
        since: when the rule began to watch, or was told to forget everything.
        lane: whose alert it is; None for several people.
        zone: of the alert, where the rule goes by zones.
    """
    numbers = {one.t: n for n, one in enumerate(moments)}
    if rule.type == "fight":
        return held(moments, since, rule.for_, 0.5, lambda one: fights(rule, one))
    if rule.type == "fall":
        sight = moments[-1].seen.get(-1 if lane is None else lane)
        return sight is not None and sight.action in ("falling", "lying") and sight.action_score >= 0.6
    if rule.type == "absence":
        return held(moments, since, rule.for_, 0.0, lambda one: too_few(rule, moments, numbers[one.t], since))
    if rule.type == "zone_exit":
        return lane is not None and has_left(rule, moments, since, lane, zone)
    if rule.type == "line_crossing":
        return lane is not None and crossed(rule, moments, since, lane) is not None
    if rule.min_people > 1:
        return held(
            moments, since, rule.for_, 0.0,
            lambda one: counted(rule, moments, numbers[one.t], zone) >= rule.min_people,
        )  # fmt: skip
    # Who lies may be hidden, and who stays may walk about, for as long as the alert takes to clear.
    gap = {"loitering": rule.clear, "lying": max(GAP, rule.clear)}.get(rule.type, GAP)
    return lane is not None and held(
        moments, since, rule.for_, gap, lambda one: fits(rule, one.seen.get(lane), zone)
    )


def too_few(rule: Rule, moments: Sequence[Moment], index: int, since: float) -> bool:
    known = [one for one in moments[: index + 1] if one.t > since]
    return counted(rule, known, len(known) - 1) < rule.min_people


def fights(rule: Rule, moment: Moment) -> bool:
    if moment.fight is None:
        return False
    score, people = moment.fight
    return score >= rule.min_score and people >= rule.min_people and (not rule.zones or "left" in rule.zones)


def has_left(rule: Rule, moments: Sequence[Moment], since: float, lane: int, zone: str) -> bool:
    """Whether somebody was in the zone for half a second, and has been seen outside for `for` seconds."""
    outside = None
    known = [one for one in moments if one.t > since and lane in one.seen]
    known = [one for one in known if one.seen[lane].score >= rule.min_score]
    while known and not in_zone(known[-1].seen[lane], zone):
        outside = known.pop()
    inside = None
    first_out = None if outside is None else outside.t
    while known and in_zone(known[-1].seen[lane], zone):
        inside = known.pop()
    if inside is None or first_out is None:
        return False
    # Time out of sight counts on either side: only that it was seen in and out is certain.
    return moments[-1].t - first_out >= rule.for_ - EPS and first_out - inside.t >= 0.5 - EPS


def side(sight: Sight) -> int:
    """-1 left of the line, 1 right of it, 0 too near to say."""
    away = (sight.x - 0.5) * WIDTH
    return 0 if abs(away) < 0.05 * sight.tall else (1 if away > 0 else -1)


def crossed(rule: Rule, moments: Sequence[Moment], since: float, lane: int) -> float | None:
    """When somebody came to be clearly on the side of the line where they are, having been on the other."""
    sides: list[tuple[int, float]] = []
    for moment in moments:
        if moment.cut:
            sides = []
        if moment.t > since and lane in moment.seen and side(moment.seen[lane]):
            sides.append((side(moment.seen[lane]), moment.t))
    if not sides:
        return None
    here, arrived = sides[-1]
    wanted = {"left_to_right": 1, "right_to_left": -1}.get(rule.direction, here)
    for one, t in reversed(sides):
        if one != here:
            stayed = moments[-1].t - arrived >= rule.for_ - EPS
            return arrived if here == wanted and stayed else None
        arrived = t
    return None


def must_be_on(rule: Rule, moments: Sequence[Moment], since: float, chain: int | None, zone: str) -> bool:
    """Whether the condition has held in every single frame for longer than the rule asks for.

    Only for what goes on: nothing is said of falls, fights, crossings and exits.

    Args:
        rule: its settings.
        moments: all frames so far.
        since: since when nothing has happened that would make the engine wait.
        chain: whose alert it would be; None for several people and for absences.
        zone: of the alert, where the rule goes by zones.
    """
    recent = [(n, one) for n, one in enumerate(moments) if one.t > since + EPS]
    if not recent or moments[-1].t - recent[0][1].t < rule.for_ + EPS:
        return False
    start = moments[-1].t - rule.for_ - EPS
    window = [(n, one) for n, one in recent if one.t >= start]
    first = recent.index(window[0])
    window = recent[max(first - 1, 0) :]
    if rule.type == "absence":
        calm = [one for _, one in window if counted(rule, moments, moments.index(one)) < rule.min_people]
        return len(calm) == len(window)
    if rule.min_people > 1:
        return all(
            sum(fits(rule, one.seen.get(lane), zone) for lane in LANES) >= rule.min_people
            for _, one in window
        )
    return all(
        any(sight.chain == chain and fits(rule, sight, zone) for sight in one.seen.values())
        for _, one in window
    )
