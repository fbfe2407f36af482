(() => {
    if (window.stopwatch) return;
    const now = () => performance.timeOrigin + performance.now();
    const watch = window.stopwatch = { times: {}, ring: 0, begin() { this.times = {}; } };
    document.addEventListener('click', ({ target }) => {
        if (target.closest('[data-testid=call-video]')) watch.times.called = now();
    }, true);
    let watched = null, waiting = false;
    new MutationObserver(() => {
        const { times } = watch;
        const accept = document.querySelector('[data-testid=call-accept-video]');
        if (accept && !accept.disabled && !waiting && !times.accepted) {
            times.rang = now();
            waiting = true;
            const take = () => {
                waiting = false;
                times.accepted = now();
                document.querySelector('[data-testid=call-accept-video]')?.click();
            };
            // At once means at once, not with the next timer.
            if (watch.ring) setTimeout(take, watch.ring); else take();
        }
        const video = document.querySelector('[data-testid=video-remote]');
        if (video && video !== watched) {
            watched = video;
            video.requestVideoFrameCallback(() => { times.seen ??= now(); });
        }
        const stage = document.querySelector('[data-testid=call-stage]')?.dataset.stage;
        if (stage === 'active') times.connected ??= now();
    }).observe(document, { subtree: true, childList: true, attributes: true, attributeFilter: ['data-stage'] });
})();
