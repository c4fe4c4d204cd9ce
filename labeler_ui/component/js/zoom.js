// Zoom and pan of the image on the screen, by a transform. Every new image starts as a whole.

const MOST_ZOOM = 8;
const STEP = 60; // pixels that an arrow key moves

class Zoom {
  // onChange(scale) is called whenever the scale changes
  constructor(picture, onChange) {
    this.picture = picture;
    this.onChange = onChange;
    this.image = null;
    this.scale = 1;
    this.x = 0;
    this.y = 0;
  }

  attach(image) {
    if (this.image && this.image !== image) this.image.style.transform = "";
    this.image = image;
    this.reset();
  }

  get zoomed() {
    return this.scale > 1.001;
  }

  reset() {
    Object.assign(this, { scale: 1, x: 0, y: 0 });
    this.apply();
  }

  // Between the whole image and twice its size, or its own pixels where it has more. Without a point: at the middle.
  toggle(point) {
    if (!this.image) return;
    if (this.zoomed) this.reset();
    else this.to(Math.max(2, 1 / this.fit()), point ?? this.middle());
  }

  by(factor, point) {
    this.to(this.scale * factor, point);
  }

  to(wanted, point) {
    if (!this.image) return undefined;
    const scale = Math.min(Math.max(1, wanted), Math.max(MOST_ZOOM, 2 / this.fit()));
    const box = this.image.getBoundingClientRect(); // with the transform, whose origin is the corner
    const [left, top] = [point.x - box.left, point.y - box.top];
    this.x += left - (left * scale) / this.scale;
    this.y += top - (top * scale) / this.scale;
    if (scale <= 1.001) return this.reset();
    this.scale = scale;
    return this.apply();
  }

  pan(dx, dy) {
    if (!this.zoomed) return false;
    this.x += dx;
    this.y += dy;
    this.apply();
    return true;
  }

  arrow(key) {
    const steps = { arrowleft: [STEP, 0], arrowright: [-STEP, 0], arrowup: [0, STEP], arrowdown: [0, -STEP] };
    return key in steps && this.pan(...steps[key]);
  }

  // How many screen pixels one pixel of the image takes when all of it is shown.
  fit() {
    const { offsetWidth, offsetHeight, naturalWidth, naturalHeight } = this.image;
    return Math.min(offsetWidth / naturalWidth, offsetHeight / naturalHeight) || 1;
  }

  middle() {
    const box = this.picture.getBoundingClientRect();
    return { x: box.left + box.width / 2, y: box.top + box.height / 2 };
  }

  apply() {
    const { image, picture } = this;
    if (image && !this.zoomed) image.style.transform = ""; // measuring would cost a layout for every new image
    if (image && this.zoomed) {
      const fit = this.fit();
      this.x = inside(this.x, image.offsetWidth, image.naturalWidth * fit, this.scale);
      this.y = inside(this.y, image.offsetHeight, image.naturalHeight * fit, this.scale);
      image.style.transform = `translate(${this.x}px, ${this.y}px) scale(${this.scale})`;
    }
    picture.dataset.zoomed = this.zoomed ? "yes" : "no";
    if (this.told !== this.scale) this.onChange((this.told = this.scale));
  }
}

// No empty edge where there is image beyond it; what fits stays in the middle.
function inside(offset, box, content, scale) {
  const margin = ((box - content) / 2) * scale;
  if (content * scale <= box) return (box - box * scale) / 2;
  return Math.min(-margin, Math.max(box - (content * scale + margin), offset));
}
