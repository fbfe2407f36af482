// SPDX-License-Identifier: MIT OR Apache-2.0
//! Draws the view from the state. Reads everything, changes nothing.

use crate::base::Base;
use crate::client::{Client, DEFAULT_CATEGORY};
use crate::contact::Contact;
use crate::{
    CallView, ContactView, ConversationView, DeviceView, InvitationView, JoiningView, MeView,
    MessageView, NodeState, Phase, View,
};

/// Texts shown of a conversation.
const SHOWN: usize = 500;

impl Client {
    pub(crate) fn view(&self, base: &Base) -> View {
        let mut contacts: Vec<ContactView> = self
            .contacts
            .values()
            .map(|contact| self.show_contact(contact))
            .collect();
        contacts.sort_by_cached_key(|contact| {
            (
                contact.category.to_lowercase(),
                contact.name.to_lowercase(),
                contact.id,
            )
        });
        let mut categories: Vec<String> = contacts
            .iter()
            .map(|contact| contact.category.clone())
            .collect();
        categories.push(DEFAULT_CATEGORY.to_owned());
        categories.sort_by_key(|category| category.to_lowercase());
        categories.dedup();
        let relay_only_categories = categories
            .iter()
            .filter(|category| self.hiding.hides(category))
            .cloned()
            .collect();
        View {
            phase: Phase::Ready,
            me: Some(MeView {
                name: self.account.name.clone(),
                picture: self.picture.clone(),
                role: self.account.role,
                node: self.account.node.clone(),
            }),
            node: self.node.state(),
            contacts,
            categories,
            invitations: self.show_invitations(),
            joining: self.joining.as_ref().map(|joining| JoiningView {
                stage: joining.stage,
                problem: joining.problem.clone(),
            }),
            conversation: self.show_conversation(),
            call: self.show_call(),
            devices: self.show_devices(base),
            relay_for_all: self.account.relay_for_all,
            relay_only_categories,
            network: self.network.view(self.node.state() == NodeState::Online),
            notices: base.notices.clone(),
        }
    }

    fn show_contact(&self, contact: &Contact) -> ContactView {
        let last = self.texts.get(&contact.id).and_then(|texts| texts.last());
        ContactView {
            id: contact.id,
            name: contact.display_name().to_owned(),
            own_name: contact.name.clone(),
            picture: contact.picture.clone(),
            category: contact.stored.category.clone(),
            state: contact.stored.state,
            safety_number: contact.safety_number.clone(),
            invited_as: contact.invited_as(),
            verified: contact.stored.verified,
            unread: contact.stored.unread,
            last_text: last.map(|(_, stored)| stored.text.chars().take(120).collect()),
            last_time: last.map(|(_, stored)| stored.time),
            last_call: self.last_call(contact.id),
            route: contact.route(),
            relay_only: contact.stored.relay_only,
            hidden: self.hides_from(contact.id),
            always_direct: contact.stored.always_direct,
            typing: contact.typing_until.is_some(),
        }
    }

    fn show_invitations(&self) -> Vec<InvitationView> {
        let mut invitations: Vec<InvitationView> = self
            .invitations
            .iter()
            .map(|(id, invitation)| InvitationView {
                id: *id,
                note: invitation.stored.note.clone(),
                link: invitation.link(&self.node.origin),
                words: invitation.stored.words.clone(),
                blob: invitation.shared_blob.clone(),
                expires: invitation.stored.expires,
                state: invitation.state(),
            })
            .collect();
        invitations
            .sort_by_key(|invitation| core::cmp::Reverse((invitation.expires, invitation.id)));
        invitations
    }

    fn show_conversation(&self) -> Option<ConversationView> {
        let contact = self.open?;
        let texts = self.texts.get(&contact)?;
        let start = texts.len().saturating_sub(SHOWN);
        let messages = texts
            .iter()
            .skip(start)
            .map(|(id, stored)| MessageView {
                id: *id,
                text: stored.text.clone(),
                time: stored.time,
                delivery: stored.delivery,
            })
            .collect();
        Some(ConversationView {
            contact,
            messages,
            calls: self.show_past_calls(contact, start),
            truncated: start > 0,
        })
    }

    fn show_call(&self) -> Option<CallView> {
        let call = self.call.as_ref()?;
        let contact = self.contacts.get(&call.contact)?;
        let [remote_microphone, remote_camera, remote_screen] = call.remote;
        Some(CallView {
            id: call.id,
            contact: call.contact,
            direction: call.direction,
            stage: call.stage,
            link: contact.link.as_ref().map(|link| link.id),
            microphone: call.microphone,
            camera: call.camera,
            screen: call.screen,
            remote_microphone,
            remote_camera,
            remote_screen,
            route: contact.route(),
            number: call.number.clone(),
        })
    }

    fn show_devices(&self, base: &Base) -> Option<Vec<DeviceView>> {
        let devices = self.devices.as_ref()?;
        Some(
            devices
                .iter()
                .map(|device| DeviceView {
                    id: device.device,
                    label: Self::open_label(base, &device.label).unwrap_or_default(),
                    last_seen_day: device.last_seen_day,
                    current: device.device == self.node.device(),
                })
                .collect(),
        )
    }
}
