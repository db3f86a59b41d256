// One clock for several videos: the first leads, the others follow it.

const MOST_DRIFT = 0.06; // seconds

export class Clock extends EventTarget {
  constructor(videos, fps, numFrames) {
    super();
    this.videos = videos;
    this.fps = fps;
    this.numFrames = numFrames;
    const [first] = videos;
    for (const name of ["play", "pause"]) first.addEventListener(name, () => this.#onPlaying());
    for (const name of ["seeked", "timeupdate", "loadeddata"]) first.addEventListener(name, () => this.#onTime());
    const onFrame = () => {
      this.#onTime();
      first.requestVideoFrameCallback?.(onFrame);
    };
    first.requestVideoFrameCallback?.(onFrame);
  }

  get time() {
    return this.videos[0].currentTime;
  }

  get isPaused() {
    return this.videos[0].paused;
  }

  get frame() {
    return Math.min(Math.floor(this.time * this.fps + 1e-3), this.numFrames - 1);
  }

  set rate(rate) {
    for (const video of this.videos) video.playbackRate = rate;
  }

  toggle() {
    if (this.isPaused) this.videos[0].play().catch(() => {});
    else this.videos[0].pause();
  }

  seek(seconds) {
    for (const video of this.videos) video.currentTime = seconds;
  }

  step(frames) {
    for (const video of this.videos) video.pause();
    this.seek((Math.min(Math.max(this.frame + frames, 0), this.numFrames - 1) + 0.5) / this.fps);
  }

  #onPlaying() {
    for (const video of this.videos.slice(1)) {
      if (this.isPaused) video.pause();
      else video.play().catch(() => {});
    }
    this.dispatchEvent(new Event("playing"));
  }

  #onTime() {
    const most = this.isPaused ? 1e-3 : MOST_DRIFT;
    for (const video of this.videos.slice(1)) {
      if (Math.abs(video.currentTime - this.time) > most) video.currentTime = Math.min(this.time, video.duration || 0);
    }
    this.dispatchEvent(new Event("time"));
  }
}
