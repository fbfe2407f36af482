(() => {
    if (!window.RTCPeerConnection || window.quality) return;
    // ---- a voice that never pauses: a hum through three formants, a vowel every 90 ms
    const VOWELS = [[730, 1090, 2440], [270, 2290, 3010], [300, 870, 2240], [530, 1840, 2480], [570, 840, 2410]];
    const SYLLABLE = 0.09;
    const AHEAD = 4000;
    let voice;
    const speak = () => {
        voice ??= new AudioContext({ sampleRate: 48000, sinkId: { type: 'none' } });
        voice.resume();
        const to = voice.createMediaStreamDestination();
        const cords = new OscillatorNode(voice, { type: 'sawtooth', frequency: 120 });
        for (const formant of [0, 1, 2]) {
            const throat = new BiquadFilterNode(voice, { type: 'bandpass', Q: 8 });
            const loudness = new GainNode(voice, { gain: 0.5 / (formant + 1) });
            for (let number = 0; number < AHEAD; number += 1) {
                const vowel = VOWELS[(number * 3 + (number >> 2)) % VOWELS.length];
                throat.frequency.setValueAtTime(vowel[formant], voice.currentTime + number * SYLLABLE);
            }
            cords.connect(throat).connect(loudness).connect(to);
        }
        cords.start();
        return to.stream.getAudioTracks()[0];
    };
    const devices = navigator.mediaDevices;
    const asked = devices?.getUserMedia.bind(devices);
    if (asked) {
        devices.getUserMedia = async (wanted) => {
            const stream = new MediaStream();
            if (wanted?.audio) stream.addTrack(speak());
            if (wanted?.video) {
                const video = { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30 } };
                for (const track of (await asked({ video })).getTracks()) stream.addTrack(track);
            }
            return stream;
        };
    }
    // ---- a browser that knows one codec for pictures only, if the test says so
    for (const end of [RTCRtpReceiver, RTCRtpSender]) {
        const known = end.getCapabilities.bind(end);
        end.getCapabilities = (kind) => {
            const capabilities = known(kind);
            const forced = window.quality.forced;
            if (kind === 'video' && forced && capabilities) {
                capabilities.codecs = capabilities.codecs.filter(({ mimeType }) =>
                    [forced, 'video/rtx'].includes(mimeType.toLowerCase()));
            }
            return capabilities;
        };
    }
    // ---- what is negotiated
    const Original = window.RTCPeerConnection;
    const said = [];
    window.RTCPeerConnection = class extends Original {
        setLocalDescription(...words) {
            const done = super.setLocalDescription(...words);
            done.then(() => said.push(this.localDescription?.sdp ?? ''), () => {});
            return done;
        }
    };
    const open = () => window.lab.open();
    window.quality = {
        forced: null,
        said,
        // What the open connections have counted so far.
        async counts() {
            const sum = {
                at_ms: performance.now(),
                sound: { packets: 0, lost: 0, samples: 0, concealed: 0, silent: 0, fec: 0, sent: 0, bytes_sent: 0, codec: '',
                    buffer_s: 0, buffered: 0 },
                pictures: { packets: 0, lost: 0, decoded: 0, nacks: 0, rtx: 0, nacked: 0, resent: 0, bytes_sent: 0,
                    encoded: 0, width: 0, height: 0, codec: '', seen_width: 0, limited_by: '', freezes: 0 },
                available: 0,
                rtt_ms: 0,
            };
            let carried = 0;
            for (const connection of open()) {
                const report = await connection.getStats();
                // Statistics name what is inside of RED; the sender's parameters name RED.
                const first = connection.getSenders()[0]?.getParameters().codecs[0]?.mimeType;
                if (first) sum.sound.codec = first.toLowerCase();
                const codec = (one) => report.get(one.codecId)?.mimeType?.toLowerCase() ?? '';
                for (const one of report.values()) {
                    const { sound, pictures } = sum;
                    if (one.type === 'inbound-rtp' && one.kind === 'audio') {
                        sound.packets += one.packetsReceived;
                        sound.lost += one.packetsLost;
                        sound.samples += one.totalSamplesReceived ?? 0;
                        sound.concealed += one.concealedSamples ?? 0;
                        sound.silent += one.silentConcealedSamples ?? 0;
                        sound.fec += one.fecPacketsReceived ?? 0;
                        sound.buffer_s += one.jitterBufferDelay ?? 0;
                        sound.buffered += one.jitterBufferEmittedCount ?? 0;
                    } else if (one.type === 'outbound-rtp' && one.kind === 'audio') {
                        sound.sent += one.packetsSent;
                        sound.bytes_sent += one.bytesSent;
                    } else if (one.type === 'inbound-rtp' && one.kind === 'video') {
                        pictures.packets += one.packetsReceived;
                        pictures.lost += one.packetsLost;
                        pictures.decoded += one.framesDecoded ?? 0;
                        pictures.nacks += one.nackCount ?? 0;
                        pictures.rtx += one.retransmittedPacketsReceived ?? 0;
                        pictures.seen_width = Math.max(pictures.seen_width, one.frameWidth ?? 0);
                        pictures.freezes += one.freezeCount ?? 0;
                    } else if (one.type === 'outbound-rtp' && one.kind === 'video') {
                        pictures.nacked += one.nackCount ?? 0;
                        pictures.resent += one.retransmittedPacketsSent ?? 0;
                        pictures.bytes_sent += one.bytesSent;
                        pictures.encoded += one.framesEncoded ?? 0;
                        if (one.framesEncoded) {
                            pictures.codec = codec(one);
                            pictures.limited_by = one.qualityLimitationReason ?? '';
                            pictures.width = Math.max(pictures.width, one.frameWidth ?? 0);
                            pictures.height = Math.max(pictures.height, one.frameHeight ?? 0);
                        }
                    } else if (one.type === 'transport') {
                        const pair = report.get(one.selectedCandidatePairId);
                        // A spare connection carries next to nothing, and says nothing of the path.
                        if (!pair || pair.bytesSent <= carried) continue;
                        carried = pair.bytesSent;
                        sum.available = pair.availableOutgoingBitrate ?? 0;
                        sum.rtt_ms = (pair.currentRoundTripTime ?? 0) * 1000;
                    }
                }
            }
            return sum;
        },
    };
})();
