// SPDX-License-Identifier: MIT OR Apache-2.0
//! How long nothing is heard when a network changes in mid-call.

use std::thread;
use std::time::{Duration, Instant};

use hither_lab::{Cut, Ear, LabError, Page, Rebinding, Restart};

use crate::duel::{Both, Duel};
use crate::figures::{list, median};

/// What happens to the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Nothing,
    DirectCut,
    Rebinding,
    UplinkDown,
    UplinkDead,
    UdpBlocked,
    RelayRestarted,
    Outage,
}

/// Whose call is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    Ours,
    Bare(Restart),
}

const CHANGES: [Change; 8] = [
    Change::Nothing,
    Change::DirectCut,
    Change::Rebinding,
    Change::UplinkDown,
    Change::UplinkDead,
    Change::UdpBlocked,
    Change::RelayRestarted,
    Change::Outage,
];

const ALL: [Whose; 3] = [
    Whose::Ours,
    Whose::Bare(Restart::OnDisconnected),
    Whose::Bare(Restart::OnFailed),
];

/// Both round trips between the two, as between two towns.
const ROUND_TRIP: Duration = Duration::from_millis(60);

/// What a call gets to settle before something happens.
const SETTLED: Duration = Duration::from_secs(6);

/// How long it is watched at least: nobody notices at once.
const WATCHED: Duration = Duration::from_secs(4);

/// Sound that goes on for so long is back.
const BACK: Duration = Duration::from_millis(1500);

/// What has not come back by then does not.
const GIVEN_UP: Duration = Duration::from_secs(45);

/// Prints the table of gaps.
pub(super) fn print(chosen: &[String], runs: usize) -> Result<(), LabError> {
    println!(
        "| change | gap, median of {runs} | bare, restart on `disconnected` | on `failed` | ratio | every gap |"
    );
    println!("|---|---|---|---|---|---|");
    for (both, uplinks) in [(Both::Home, 1), (Both::Home, 2), (Both::Narrow, 1)] {
        let there = (both, uplinks);
        let changes = CHANGES.into_iter().filter(|change| change.place() == there);
        let name = |change: &Change| change.name().to_owned();
        let wanted = |change: &Change| {
            chosen.is_empty()
                || chosen
                    .iter()
                    .any(|word| name(change).contains(word.as_str()))
        };
        let changes: Vec<Change> = changes.filter(wanted).collect();
        if changes.is_empty() {
            continue;
        }
        let mut duel = Duel::between(both, uplinks)?;
        duel.round_trip(ROUND_TRIP);
        for change in changes {
            row(&mut duel, change, runs)?;
        }
    }
    Ok(())
}

fn row(duel: &mut Duel, change: Change, runs: usize) -> Result<(), LabError> {
    let mut gaps = [Vec::new(), Vec::new(), Vec::new()];
    for _ in 0..runs {
        for (whose, gaps) in ALL.into_iter().zip(&mut gaps) {
            gaps.push(gap(duel, whose, change)?);
        }
    }
    let [ours, disconnected, failed] = [0, 1, 2].map(|whose| median(&gaps[whose]));
    println!(
        "| {} | {ours:.0} ms | {disconnected:.0} ms | {failed:.0} ms | {:.3} | {} · {} · {} |",
        change.name(),
        ours / disconnected.min(failed),
        list(&gaps[0]),
        list(&gaps[1]),
        list(&gaps[2]),
    );
    Ok(())
}

/// One call, in which this happens: the longest silence at the end where it is longer, milliseconds.
fn gap(duel: &mut Duel, whose: Whose, change: Change) -> Result<f64, LabError> {
    begin(duel, whose)?;
    for page in pages(duel, whose) {
        Ear::at(page)?;
    }
    settle(duel, whose)?;
    for page in pages(duel, whose) {
        Ear::still_at(page).begin()?;
    }
    change.happen(duel, whose)?;
    let longest = watch(pages(duel, whose))?;
    if longest.is_infinite() || longest > 1_000.0 {
        tell(duel, whose, change, longest);
    }
    change.undo(duel)?;
    end(duel, whose)?;
    Ok(longest)
}

/// Waits until the call goes the way that it is to lose.
fn settle(duel: &Duel, whose: Whose) -> Result<(), LabError> {
    for side in &duel.sides {
        match whose {
            Whose::Ours => side.person.wait_for_route(duel.best())?,
            Whose::Bare(_) => {
                let relayed = "(path.includes('relay') ? 'relay' : 'direct')";
                let look = format!(
                    "(async () => {{ const path = await bare.path(); return path && {relayed} === '{}' }})()",
                    duel.best()
                );
                side.bare.page().wait_for(&look, duel.best())?;
            }
        }
    }
    thread::sleep(SETTLED);
    Ok(())
}

fn pages(duel: &Duel, whose: Whose) -> [&Page; 2] {
    let of = |side: usize| match whose {
        Whose::Ours => duel.sides[side].person.page(),
        Whose::Bare(_) => duel.sides[side].bare.page(),
    };
    [of(0), of(1)]
}

fn begin(duel: &Duel, whose: Whose) -> Result<(), LabError> {
    match whose {
        Whose::Ours => {
            for side in &duel.sides {
                side.person.page().eval("stopwatch.begin()")?;
            }
            duel.sides[0].person.call(true)?;
            for side in &duel.sides {
                side.person.wait_for_call("active")?;
                side.person
                    .page()
                    .wait_for_element("@call-route-icon[data-route]")?;
            }
        }
        Whose::Bare(restart) => {
            for side in &duel.sides {
                side.bare.set(0, restart)?;
            }
            duel.sides[0].bare.call()?;
            for side in &duel.sides {
                side.bare.times()?;
            }
        }
    }
    Ok(())
}

fn end(duel: &Duel, whose: Whose) -> Result<(), LabError> {
    let [ana, ben] = &duel.sides;
    match whose {
        Whose::Ours => {
            ana.person.hang_up()?;
            ana.person.wait_for_end("hung-up")?;
            ben.person.wait_for_end("remote-hung-up")
        }
        Whose::Bare(_) => {
            for side in &duel.sides {
                side.bare.page().eval("bare.close()")?;
            }
            Ok(())
        }
    }
}

/// Waits until both hear again, and says how long the one who heard less did not.
fn watch(pages: [&Page; 2]) -> Result<f64, LabError> {
    let begun = Instant::now();
    let mut back: Option<Instant> = None;
    loop {
        thread::sleep(Duration::from_millis(100));
        let mut heard = Vec::new();
        for page in pages {
            heard.push(Ear::still_at(page).silence()?);
        }
        let all = heard.iter().all(|one| one.hears);
        back = if all {
            back.or_else(|| Some(Instant::now()))
        } else {
            None
        };
        let is_back = back.is_some_and(|since| since.elapsed() > BACK);
        if is_back && begun.elapsed() > WATCHED {
            return Ok(heard.iter().map(|one| one.longest_ms).fold(0.0, f64::max));
        }
        if begun.elapsed() > GIVEN_UP {
            return Ok(f64::INFINITY);
        }
    }
}

/// What the call went through, for those who make it better.
fn tell(duel: &Duel, whose: Whose, change: Change, gap: f64) {
    let course = "[...document.querySelectorAll('[data-testid=route-timeline] li')].map((one) => one.textContent)";
    let said = pages(duel, whose).map(|page| match whose {
        Whose::Ours => {
            let _open = page.click("@call-route-icon");
            page.eval(course)
        }
        Whose::Bare(_) => page.eval(
            "bare.course.map(([at, what]) => `${Math.round(at - bare.course[0][0])} ${what}`)",
        ),
    });
    eprint(&format!("{whose:?} {change:?}: {gap:.0} ms\n  {said:#?}\n"));
}

fn eprint(words: &str) {
    use std::io::Write;
    // Without a terminal there is nobody to tell.
    let _told = writeln!(std::io::stderr(), "{words}");
}

impl Change {
    fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::DirectCut => "direct path cut, relay open",
            Self::Rebinding => "NAT rebinding",
            Self::UplinkDown => "uplink down, a second one there",
            Self::UplinkDead => "uplink dead but not down, a second one there",
            Self::UdpBlocked => "all UDP blocked",
            Self::RelayRestarted => "relay restarted under a relayed call",
            Self::Outage => "everything out for 3 s",
        }
    }

    /// Where it is of interest: in which networks, and with how many uplinks.
    fn place(self) -> (Both, usize) {
        match self {
            Self::RelayRestarted => (Both::Narrow, 1),
            Self::UplinkDown | Self::UplinkDead => (Both::Home, 2),
            Self::Nothing | Self::DirectCut | Self::Rebinding | Self::UdpBlocked | Self::Outage => {
                (Both::Home, 1)
            }
        }
    }

    fn happen(self, duel: &mut Duel, whose: Whose) -> Result<(), LabError> {
        let ana = &duel.sides[0];
        match self {
            Self::Nothing => {}
            Self::DirectCut => ana.router.link().cut(Cut::DirectUdp),
            Self::Rebinding => ana.router.rebind(Rebinding::Udp),
            Self::UplinkDown => ana.client.take_down(0)?,
            Self::UplinkDead => ana.client.uplink(0)?.cut(Cut::Everything),
            Self::UdpBlocked => ana.router.link().cut(Cut::Udp),
            Self::RelayRestarted => match whose {
                Whose::Ours => duel.place.node.restart()?,
                Whose::Bare(_) => duel.coturn.restart()?,
            },
            Self::Outage => {
                ana.router.link().cut(Cut::Everything);
                thread::sleep(Duration::from_secs(3));
                ana.router.link().mend();
            }
        }
        Ok(())
    }

    fn undo(self, duel: &Duel) -> Result<(), LabError> {
        let ana = &duel.sides[0];
        match self {
            Self::DirectCut | Self::UdpBlocked => ana.router.link().mend(),
            Self::UplinkDown => ana.client.bring_up(0)?,
            Self::UplinkDead => ana.client.uplink(0)?.mend(),
            Self::Nothing | Self::Rebinding | Self::RelayRestarted | Self::Outage => {}
        }
        Ok(())
    }
}
