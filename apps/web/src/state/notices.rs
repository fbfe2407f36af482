// SPDX-License-Identifier: MIT OR Apache-2.0
//! Which notices are shown beside the form that caused them.

use hither_endpoint::Notice;

/// Shown inside the join dialog while it is open.
pub(crate) fn concerns_join(notice: &Notice) -> bool {
    matches!(
        notice,
        Notice::InvitationGone
            | Notice::CodeWordCount { .. }
            | Notice::CodeUnknownWord { .. }
            | Notice::CodeChecksum
            | Notice::CodeWrong
            | Notice::InvitationExpired
            | Notice::InvitationMalformed
            | Notice::InvitationForged
            | Notice::InvitationOwn
            | Notice::InvitationUnsupported
            | Notice::NodeUnreachable
            | Notice::NodeRefused { .. }
    )
}

/// Shown inside the invite dialog while it is open.
pub(crate) fn concerns_invite(notice: &Notice) -> bool {
    matches!(
        notice,
        Notice::MayNotRegisterOthers
            | Notice::NotNow
            | Notice::NodeUnreachable
            | Notice::NodeRefused { .. }
    )
}
