// SPDX-License-Identifier: MIT OR Apache-2.0
//! Every screen in every state, from hand-made views: `/gallery` lists them, `/gallery#<name>` shows one.
//!
//! Compiled only with the feature `gallery`, for people who look. Nothing is sent anywhere.

use std::sync::Arc;

use hither_api::{DeviceId, Role, link::Link, sheet};
use hither_browser::StartError;
use hither_endpoint::network::{
    Climb, Direct, Filtering, Finding, Mapping, NetworkView, OwnAddress, ProbeState, Rung,
    RungView, Scope, Unknown,
};
use hither_endpoint::{
    CallDirection, CallId, CallStage, CallView, ContactId, ContactState, ContactView,
    ConversationView, Delivery, DeviceView, EndReason, InvitationKey, InvitationState,
    InvitationView, JoinStage, JoiningView, MeView, MessageId, MessageView, NodeState, Notice,
    PastCallView, Phase, RelayOnly, Route, RouteView, TimelineEntry, TransportProtocol, View,
};
use hither_sansio::UnixTime;
use leptos::prelude::*;

use crate::dom::clock;
use crate::pages::Root;
use crate::state::{App, Confirmation, Panel, Screen, Start, nothing_yet};

/// A state to look at.
type Exhibit = (&'static str, fn(App));

const EXHIBITS: [Exhibit; 46] = [
    ("loading", |app| app.start.set(Start::Loading)),
    ("start-failed", |app| {
        app.start.set(Start::Failed(StartError::AlreadyOpen));
    }),
    ("onboarding", |app| app.show_view(nothing_yet())),
    ("onboarding-invited", |app| {
        app.arrival.set(Link::parse(&format!(
            "https://n.example/i#{}",
            "A".repeat(43)
        )));
        app.show_view(nothing_yet());
    }),
    ("onboarding-busy", |app| {
        app.show_view(View {
            phase: Phase::Onboarding,
            ..nothing_yet()
        });
    }),
    ("onboarding-refused", |app| {
        app.show_view(View {
            notices: vec![refused()],
            ..nothing_yet()
        });
    }),
    ("locked", |app| {
        app.show_view(View {
            phase: Phase::Locked,
            ..nothing_yet()
        });
    }),
    ("locked-wrong", |app| {
        let notices = vec![Notice::WrongPassphrase];
        app.show_view(View {
            phase: Phase::Locked,
            notices,
            ..nothing_yet()
        });
    }),
    ("unlocking", |app| {
        app.show_view(View {
            phase: Phase::Unlocking,
            ..nothing_yet()
        });
    }),
    ("home-empty", |app| {
        app.show_view(View {
            contacts: Vec::new(),
            invitations: Vec::new(),
            ..ready()
        });
    }),
    ("home", |app| app.show_view(ready())),
    ("home-offline", |app| {
        app.show_view(View {
            node: NodeState::Offline,
            ..ready()
        });
    }),
    ("home-notices", |app| {
        let contact = id(1);
        let notices = vec![
            Notice::ContactConfirmed { contact },
            Notice::NodeUnreachable,
            Notice::TamperingSeen { contact },
        ];
        app.show_view(View { notices, ..ready() });
    }),
    ("conversation", |app| conversation(app, ready())),
    ("conversation-offline", |app| {
        conversation(
            app,
            View {
                node: NodeState::Offline,
                ..ready()
            },
        );
    }),
    ("conversation-empty", |app| {
        let empty = ConversationView {
            contact: id(1),
            messages: Vec::new(),
            calls: Vec::new(),
            truncated: false,
        };
        app.show_view(View {
            conversation: Some(empty),
            ..ready()
        });
        app.screen.set(Screen::Conversation(id(1)));
    }),
    ("conversation-loading", |app| {
        app.show_view(ready());
        app.screen.set(Screen::Conversation(id(1)));
    }),
    ("conversation-closed", |app| {
        let mut view = ready();
        if let Some(contact) = view.contacts.iter_mut().find(|contact| contact.id == id(1)) {
            contact.state = ContactState::Closed;
        }
        conversation(app, view);
    }),
    ("conversation-veiled", |app| {
        app.preferences.masked.set(true);
        conversation(app, ready());
    }),
    ("contact", |app| {
        conversation(app, ready());
        app.screen.set(Screen::Contact(id(1)));
    }),
    ("confirm", |app| {
        conversation(app, ready());
        app.confirm(Confirmation {
            title: "Remove Grete Lindqvist?".into(),
            text: crate::words::REMOVAL.into(),
            yes: "Remove",
            command: hither_endpoint::Command::RemoveContact { contact: id(1) },
        });
    }),
    ("approve", |app| {
        app.show_view(ready());
        app.show(Panel::Approve(id(4)));
    }),
    ("invite", |app| {
        app.show_view(settled());
        app.show(Panel::Invite);
    }),
    ("invite-refused", |app| {
        app.show_view(View {
            notices: vec![refused()],
            ..settled()
        });
        app.show(Panel::Invite);
    }),
    ("join", |app| joining(app, None)),
    ("join-fetching", |app| {
        joining(app, Some((JoinStage::Fetching, None)));
    }),
    ("join-code", |app| {
        joining(app, Some((JoinStage::NeedsCode, None)));
    }),
    ("join-wrong", |app| {
        let problem = Notice::CodeUnknownWord {
            position: 7,
            nearest: Some("harvest".into()),
        };
        joining(app, Some((JoinStage::NeedsCode, Some(problem))));
    }),
    ("join-checking", |app| {
        joining(app, Some((JoinStage::Checking, None)));
    }),
    ("call-incoming", |app| {
        call(app, CallDirection::Incoming, CallStage::Ringing, false);
    }),
    ("call-ringing", |app| {
        call(app, CallDirection::Outgoing, CallStage::Ringing, false);
    }),
    ("call-voice", |app| {
        call(app, CallDirection::Outgoing, active(), false);
    }),
    ("call-video", |app| {
        call(app, CallDirection::Outgoing, active(), true);
    }),
    ("call-screen", |app| {
        call_with(app, |call| {
            call.remote_screen = true;
            call.remote_camera = true;
            call.camera = true;
            call.screen = true;
        });
    }),
    ("call-muted", |app| {
        call_with(app, |call| {
            call.microphone = false;
            call.remote_microphone = false;
        });
    }),
    ("call-reconnecting", |app| {
        call(
            app,
            CallDirection::Outgoing,
            CallStage::Reconnecting { since: ago(754) },
            true,
        );
    }),
    ("call-ended", |app| {
        call(
            app,
            CallDirection::Outgoing,
            CallStage::Ended {
                reason: EndReason::NoAnswer,
            },
            false,
        );
    }),
    ("settings", |app| {
        app.show_view(ready());
        app.screen.set(Screen::Settings);
    }),
    ("settings-loading", |app| {
        app.show_view(View {
            devices: None,
            ..ready()
        });
        app.screen.set(Screen::Settings);
    }),
    ("network", |app| network(app, around(true))),
    ("network-running", |app| {
        let mut view = around(true);
        view.state = ProbeState::Running;
        view.filtering = Finding::Waiting;
        view.direct = Finding::Waiting;
        for rung in view.rungs.iter_mut().skip(1) {
            rung.climb = Finding::Waiting;
        }
        network(app, view);
    }),
    ("network-blocked", |app| network(app, around(false))),
    ("network-nothing-open", |app| {
        let mut view = around(false);
        for rung in &mut view.rungs {
            rung.climb = Finding::Found(Climb::Silent);
        }
        view.wanted = view.sheet.iter().skip(1).cloned().collect();
        network(app, view);
    }),
    ("network-offline", |app| {
        let state = ProbeState::Offline;
        network(
            app,
            NetworkView {
                state,
                ..NetworkView::idle()
            },
        );
    }),
    ("network-no-relay", |app| {
        let state = ProbeState::NoRelay;
        network(
            app,
            NetworkView {
                state,
                ..NetworkView::idle()
            },
        );
    }),
    ("help", |app| {
        app.show_view(ready());
        app.show(Panel::Help);
    }),
];

/// Shows the gallery if the address asks for it.
pub(crate) fn mount() -> bool {
    let at_gallery = window()
        .location()
        .pathname()
        .is_ok_and(|path| path == "/gallery");
    if at_gallery {
        mount_to_body(|| view! { <Gallery /> });
    }
    at_gallery
}

#[component]
fn Gallery() -> impl IntoView {
    let wanted = RwSignal::new(hash());
    let listener = window_event_listener(leptos::ev::hashchange, move |_| wanted.set(hash()));
    on_cleanup(move || listener.remove());
    move || {
        let wanted = wanted.get();
        match EXHIBITS.iter().find(|(name, _)| *name == wanted) {
            Some((name, arrange)) => untrack(|| exhibit(name, *arrange)).into_any(),
            None => index().into_any(),
        }
    }
}

fn hash() -> String {
    let hash = window().location().hash().unwrap_or_default();
    hash.trim_start_matches('#').to_owned()
}

fn exhibit(name: &str, arrange: fn(App)) -> impl IntoView + use<> {
    let app = App::with_view(nothing_yet());
    app.preferences.silent.set(true);
    app.preferences.masked.set(false);
    app.start.set(Start::Running);
    arrange(app);
    // The list shows somebody who waits; only one exhibit is about them.
    if name != "approve" {
        let close = move || {
            if matches!(app.panel.get_untracked(), Some(Panel::Approve(_))) {
                app.close_panel();
            }
        };
        set_timeout(close, std::time::Duration::from_millis(50));
    }
    view! { <Root app /> }
}

fn index() -> impl IntoView {
    view! {
        <main class="page" data-testid="gallery">
            <h1>"Gallery"</h1>
            <ul>
                {EXHIBITS.iter().map(|(name, _)| view! {
                    <li><a href=format!("/gallery#{name}")>{*name}</a></li>
                }).collect_view()}
            </ul>
        </main>
    }
}

fn network(app: App, network: NetworkView) {
    app.show_view(View { network, ..ready() });
    app.screen.set(Screen::Network(None));
}

/// A home network, or one that lets only TCP out.
fn around(udp: bool) -> NetworkView {
    use TransportProtocol::{Tcp, Tls, Udp};
    let host = "chat.example.org";
    let ladder = [(Udp, 3478), (Udp, 443), (Tcp, 3478), (Tls, 443)];
    let rungs = ladder.map(|(transport, port)| RungView {
        rung: Rung {
            transport,
            host: host.into(),
            port,
            own: true,
        },
        climb: Finding::Found(match (transport, udp) {
            (Udp, false) => Climb::Silent,
            (Udp, true) => Climb::Open { rtt_ms: Some(18) },
            _ => Climb::Open { rtt_ms: Some(21) },
        }),
    });
    let urls = [
        format!("turn:{host}:3478?transport=udp"),
        format!("turn:{host}:443?transport=udp"),
        format!("turn:{host}:3478?transport=tcp"),
        format!("turns:{host}:443?transport=tcp"),
    ];
    let sheet = sheet::lines("https://chat.example.org", &urls);
    let unknown = Unknown::NoAnswer;
    let closed = |line: &&sheet::Line| line.purpose.transport() == "UDP" && !udp;
    NetworkView {
        state: ProbeState::Done,
        ipv4: if udp {
            Finding::Found(OwnAddress {
                address: "203.0.113.77".into(),
                scope: Scope::Internet,
            })
        } else {
            Finding::Unknown(unknown)
        },
        ipv6: Finding::Unknown(if udp { Unknown::NoFamily } else { unknown }),
        udp: Finding::Found(udp),
        mapping: if udp {
            Finding::Found(Mapping::EndpointIndependentOrAddressDependent)
        } else {
            Finding::Unknown(unknown)
        },
        filtering: if udp {
            Finding::Found(Filtering::AddressAndPortDependent)
        } else {
            Finding::Unknown(unknown)
        },
        direct: Finding::Found(if udp {
            Direct::Mostly
        } else {
            Direct::SameNetworkOnly
        }),
        rungs: rungs.into(),
        not_offered: Vec::new(),
        wanted: sheet.iter().filter(closed).cloned().collect(),
        sheet,
    }
}

fn refused() -> Notice {
    Notice::NodeRefused {
        kind: "token-used".into(),
        title: "This registration link was used already".into(),
        detail: "Ask an admin of the node for a new one.".into(),
    }
}

fn id(number: u8) -> ContactId {
    ContactId::from_bytes([number; 16])
}

fn ago(seconds: u64) -> UnixTime {
    UnixTime::from_secs(clock::now().as_secs().saturating_sub(seconds))
}

fn active() -> CallStage {
    CallStage::Active { since: ago(754) }
}

fn route(route: Route, rtt_ms: u32) -> RouteView {
    let line = |at_ms, what: &str| TimelineEntry {
        at_ms,
        what: what.into(),
    };
    RouteView {
        route,
        protocol: TransportProtocol::Udp,
        spare: route != Route::Relay,
        shown: route != Route::Relay,
        rtt_ms: Some(rtt_ms),
        timeline: vec![
            line(0, "gathering started"),
            line(14, "local candidate host udp"),
            line(38, "local candidate srflx udp"),
            line(52, "local candidate relay udp"),
            line(61, "remote candidate host udp"),
            line(118, "pair valid relay–host"),
            line(164, "pair valid srflx–srflx"),
            line(171, "pair selected srflx–srflx"),
        ],
    }
}

fn contact(number: u8, name: &str, category: &str) -> ContactView {
    ContactView {
        id: id(number),
        name: name.into(),
        own_name: name.into(),
        picture: None,
        category: category.into(),
        state: ContactState::Active,
        safety_number: "82175 02946 61130 47728 90315 26684 13907 55421 70863 39250 08417 64592"
            .into(),
        verified: false,
        unread: 0,
        invited_as: None,
        last_text: None,
        last_call: None,
        last_time: None,
        route: None,
        relay_only: RelayOnly::Inherit,
        hidden: false,
        always_direct: false,
        typing: false,
    }
}

fn contacts() -> Vec<ContactView> {
    vec![
        ContactView {
            verified: true,
            last_text: Some("Bring the blue jacket, it will rain on the way back".into()),
            last_time: Some(ago(240)),
            route: Some(route(Route::SameNetwork, 3)),
            typing: true,
            own_name: "Grete L.".into(),
            ..contact(1, "Grete Lindqvist", "Family")
        },
        ContactView {
            unread: 3,
            last_text: Some("Oma asks whether you are coming".into()),
            last_time: Some(ago(4_000)),
            route: Some(route(Route::Relay, 84)),
            ..contact(2, "Matteo", "Family")
        },
        ContactView {
            state: ContactState::AwaitsApproval,
            ..contact(3, "Ines Duarte", "Friends")
        },
        ContactView {
            state: ContactState::WantsApproval,
            ..contact(4, "Yusuf Demir", "Friends")
        },
        ContactView {
            last_text: Some("See you on Thursday.".into()),
            last_time: Some(ago(90_000)),
            route: Some(route(Route::Direct, 27)),
            ..contact(5, "Anneliese von Hohenstein-Oberkirchner", "Friends")
        },
        ContactView {
            last_text: Some("The tender is due on the 4th".into()),
            last_time: Some(ago(400_000)),
            relay_only: RelayOnly::Always,
            hidden: true,
            ..contact(6, "Dr. Okonkwo", "Work")
        },
        ContactView {
            state: ContactState::Closed,
            last_time: Some(ago(2_000_000)),
            ..contact(7, "Lena", "Work")
        },
    ]
}

fn ready() -> View {
    let link = format!("https://node.example/i#{}", "Vb3x_Q0k-7".repeat(4).as_str());
    let words = "harvest orbit lemon quiet saddle ribbon engine velvet north apple window judge";
    let invitation = |number: u8, note: &str, seconds: u64, state| InvitationView {
        id: InvitationKey::from_bytes([number; 16]),
        note: note.into(),
        link: link.clone(),
        words: words.into(),
        blob: Arc::from(vec![0; 27_000]),
        expires: UnixTime::from_secs(clock::now().as_secs() + seconds),
        state,
    };
    View {
        phase: Phase::Ready,
        me: Some(MeView {
            name: "Marlene Novak".into(),
            picture: None,
            role: Role::Owner,
            node: "https://node.example".into(),
        }),
        node: NodeState::Online,
        contacts: contacts(),
        categories: vec!["Family".into(), "Friends".into(), "Work".into()],
        invitations: vec![
            invitation(1, "Tomas from the choir", 500_000, InvitationState::Ready),
            invitation(2, "Aunt Ruth", 80_000, InvitationState::FileOnly),
            invitation(3, "", 500_000, InvitationState::Preparing),
        ],
        devices: Some(vec![
            device(1, "Firefox on the kitchen laptop", 0, true),
            device(2, "Phone", 1, false),
            device(3, "", 40, false),
        ]),
        ..nothing_yet()
    }
}

/// Nobody waits to be let in.
fn settled() -> View {
    let mut view = ready();
    view.contacts
        .retain(|contact| contact.state != ContactState::WantsApproval);
    view
}

fn device(number: u8, label: &str, days: u64, current: bool) -> DeviceView {
    DeviceView {
        id: DeviceId::from_bytes([number; 16]),
        label: label.into(),
        last_seen_day: Some(clock::now().day().saturating_sub(days)),
        current,
    }
}

fn conversation(app: App, view: View) {
    let texts: [(bool, u64, &str, Delivery); 14] = [
        (false, 180_400, "Did the parcel arrive?", Delivery::Read),
        (
            true,
            180_200,
            "Yes! It is beautiful. Thank you so much.",
            Delivery::Read,
        ),
        (
            true,
            180_150,
            "The children want to know who knitted it.",
            Delivery::Read,
        ),
        (
            false,
            90_000,
            "I did, of course. Took me all of October.",
            Delivery::Read,
        ),
        (false, 89_950, "And half of November.", Delivery::Read),
        (true, 89_000, "They do not believe me", Delivery::Read),
        (
            false,
            5_200,
            "Are we still going to the lake on Sunday?",
            Delivery::Read,
        ),
        (
            true,
            5_000,
            "Yes. We take the 9:40 and walk from the old mill. It is about six kilometres, flat all the way, and there is the café with the plum cake at the end.\n\nShall I bring the thermos?",
            Delivery::Read,
        ),
        (
            false,
            4_900,
            "Please. And the map, not the telephone.",
            Delivery::Read,
        ),
        (
            true,
            600,
            "https://example.org/a/very/long/address/that/does/not/break/anywhere/by/itself/0123456789",
            Delivery::Delivered,
        ),
        (
            false,
            300,
            "Bring the blue jacket, it will rain on the way back",
            Delivery::Read,
        ),
        (true, 200, "Will do", Delivery::Delivered),
        (true, 150, "☔", Delivery::Sent),
        (true, 20, "And the map.", Delivery::Queued),
    ];
    let messages: Vec<MessageView> = texts
        .into_iter()
        .zip(1..)
        .map(|((mine, seconds, text, delivery), number)| MessageView {
            id: MessageId { mine, number },
            text: text.into(),
            time: ago(seconds),
            delivery,
        })
        .collect();
    let missed = |above: &MessageView| PastCallView {
        id: CallId::from_bytes([8; 16]),
        direction: CallDirection::Incoming,
        video: true,
        time: above.time,
        reason: EndReason::Missed,
        after: Some(above.id),
    };
    let calls = messages.first().map(missed).into_iter().collect();
    let conversation = Some(ConversationView {
        contact: id(1),
        messages,
        calls,
        truncated: true,
    });
    app.show_view(View {
        conversation,
        ..view
    });
    app.screen.set(Screen::Conversation(id(1)));
}

fn joining(app: App, stage: Option<(JoinStage, Option<Notice>)>) {
    let joining = stage.map(|(stage, problem)| JoiningView { stage, problem });
    app.show_view(View {
        joining,
        ..settled()
    });
    app.show(Panel::Join);
}

fn call(app: App, direction: CallDirection, stage: CallStage, video: bool) {
    call_with(app, |call| {
        call.direction = direction;
        call.stage = stage;
        call.camera = video;
        call.remote_camera = video;
    });
}

fn call_with(app: App, change: impl Fn(&mut CallView)) {
    let mut call = CallView {
        id: CallId::from_bytes([9; 16]),
        contact: id(1),
        direction: CallDirection::Outgoing,
        stage: active(),
        link: None,
        microphone: true,
        camera: false,
        screen: false,
        remote_microphone: true,
        remote_camera: false,
        remote_screen: false,
        route: Some(route(Route::Direct, 27)),
        number: Some("4471 0938".into()),
    };
    change(&mut call);
    let mut view = ready();
    // There is one link, and so one route, in the call and above the conversation.
    for contact in view
        .contacts
        .iter_mut()
        .filter(|one| one.id == call.contact)
    {
        contact.route.clone_from(&call.route);
    }
    view.call = Some(call);
    conversation(app, view);
}
