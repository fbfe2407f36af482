(() => {
    if (!window.RTCPeerConnection || window.ear) return;
    // ---- the microphone
    const devices = navigator.mediaDevices;
    const asked = devices?.getUserMedia.bind(devices);
    let voice;
    const hum = () => {
        voice ??= new AudioContext({ sampleRate: 48000, sinkId: { type: 'none' } });
        voice.resume();
        const to = voice.createMediaStreamDestination();
        const tone = new OscillatorNode(voice, { frequency: 440 });
        const loudness = new GainNode(voice, { gain: 0.5 });
        tone.connect(loudness).connect(to);
        tone.start();
        return to.stream.getAudioTracks()[0];
    };
    if (asked) {
        devices.getUserMedia = async (wanted) => {
            const stream = new MediaStream();
            if (wanted?.audio) stream.addTrack(hum());
            if (wanted?.video) {
                for (const track of (await asked({ video: wanted.video })).getTracks()) stream.addTrack(track);
            }
            return stream;
        };
    }
    // ---- the ear
    // Half as loud as the microphone hums. What is lost is stretched for a while, more and more quietly.
    const PROCESSOR = `const LOUD = 0.25;
    registerProcessor('ear', class extends AudioWorkletProcessor {
        constructor() {
            super();
            this.port.onmessage = ({ data }) => {
                if (data === 'begin') { this.longest = this.total = this.run = 0; return; }
                this.port.postMessage({ longest: Math.max(this.longest, this.run), total: this.total, run: this.run });
            };
            this.longest = this.total = this.run = 0;
        }
        process(inputs) {
            let loud = false;
            for (const channel of inputs[0]) {
                for (const sample of channel) if (sample > LOUD || sample < -LOUD) { loud = true; break; }
                if (loud) break;
            }
            if (loud) {
                if (this.run > this.longest) this.longest = this.run;
                this.run = 0;
            } else {
                this.run += 1;
                this.total += 1;
            }
            return true;
        }
    });`;
    let context, node, opened;
    // The same track, played by an element.
    const sources = new Map();
    const look = () => {
        const played = new Set();
        for (const element of document.querySelectorAll('audio, video')) {
            if (element.muted || !element.srcObject) continue;
            for (const track of element.srcObject.getAudioTracks()) played.add(track);
        }
        for (const track of played) {
            if (sources.has(track)) continue;
            const source = context.createMediaStreamSource(new MediaStream([track]));
            source.connect(node);
            sources.set(track, source);
        }
        for (const [track, source] of sources) {
            if (played.has(track)) continue;
            source.disconnect();
            sources.delete(track);
        }
    };
    const ask = () => new Promise((next) => {
        node.port.onmessage = ({ data }) => next(data);
        node.port.postMessage('ask');
    });
    const STEP = 128 / 48;
    window.ear = {
        async open() {
            opened ??= (async () => {
                context = new AudioContext({ sampleRate: 48000, sinkId: { type: 'none' } });
                await context.resume();
                await context.audioWorklet.addModule(URL.createObjectURL(new Blob([PROCESSOR], { type: 'text/javascript' })));
                node = new AudioWorkletNode(context, 'ear', { numberOfInputs: 1, numberOfOutputs: 1 });
                // Without a way out nothing is worked out.
                const mute = new GainNode(context, { gain: 0 });
                node.connect(mute).connect(context.destination);
                setInterval(look, 10);
            })();
            await opened;
            look();
        },
        begin() { node.port.postMessage('begin'); },
        async hears() { return (await ask()).run < 8 && sources.size > 0; },
        async silence() {
            const { longest, total, run } = await ask();
            return { longest_ms: longest * STEP, total_ms: total * STEP, hears: run < 8 };
        },
    };
})();
