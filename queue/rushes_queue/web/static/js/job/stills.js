// Small pictures of a video at even distances, taken by the browser itself.

const HEIGHT = 92;

function once(target, name) {
  return new Promise((resolve, reject) => {
    target.addEventListener(name, resolve, { once: true });
    target.addEventListener("error", () => reject(new Error("the video cannot be shown")), { once: true });
  });
}

/** Yield lists of addresses of so many pictures, growing until all are there. */
export async function* stills(source, count) {
  const video = document.createElement("video");
  video.muted = true;
  video.preload = "auto";
  video.src = source;
  await once(video, "loadeddata");
  const canvas = document.createElement("canvas");
  canvas.height = Math.min(HEIGHT, video.videoHeight);
  canvas.width = Math.max(Math.round((video.videoWidth / video.videoHeight) * canvas.height), 1);
  const context = canvas.getContext("2d");
  const urls = [];
  for (let place = 0; place < count; place += 1) {
    video.currentTime = (video.duration * (place + 0.5)) / count;
    await once(video, "seeked");
    context.drawImage(video, 0, 0, canvas.width, canvas.height);
    const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.8));
    urls.push(URL.createObjectURL(blob));
    if (place === count - 1) yield urls;
  }
  video.removeAttribute("src");
  video.load();
}
