// Wheel, drag, pinch, double tap and swipe on the image. A pinch is never a swipe, and a zoomed image is moved, not swiped.

const SWIPE_PX = 56;
const SWIPE_MS = 700;
const TAP_PX = 12;
const DOUBLE_TAP_MS = 320;

class Gestures {
  // swipe("left" or "right") is called for a quick sideways stroke of one finger
  constructor(picture, zoom, swipe) {
    this.picture = picture;
    this.zoom = zoom;
    this.swipe = swipe;
    this.fingers = new Map();
    this.stroke = null;
    this.lastTap = { at: -Infinity, x: 0, y: 0 };
    picture.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    picture.addEventListener("pointerdown", (event) => this.down(event));
    picture.addEventListener("pointermove", (event) => this.move(event));
    picture.addEventListener("pointerup", (event) => this.up(event));
    picture.addEventListener("pointercancel", (event) => this.cancel(event));
    picture.addEventListener("dblclick", (event) => this.byMouse && this.zoom.toggle(pointOf(event)));
  }

  // At full view a turn backwards scrolls the page, as everywhere.
  wheel(event) {
    if (!this.zoom.image || (event.deltaY > 0 && !this.zoom.zoomed && !event.ctrlKey)) return;
    event.preventDefault();
    const pixels = event.deltaY * (event.deltaMode === 1 ? 16 : 1);
    this.zoom.by(Math.exp(-Math.max(-240, Math.min(240, pixels)) * (event.ctrlKey ? 0.01 : 0.002)), pointOf(event));
  }

  down(event) {
    this.byMouse = event.pointerType === "mouse";
    if (this.byMouse && (event.button !== 0 || !this.zoom.zoomed)) return;
    this.fingers.set(event.pointerId, pointOf(event));
    this.picture.setPointerCapture(event.pointerId);
    if (this.fingers.size === 1) {
      this.stroke = { ...pointOf(event), at: event.timeStamp, alone: true, still: !this.zoom.zoomed };
    } else {
      this.stroke.alone = false;
    }
  }

  move(event) {
    const before = this.fingers.get(event.pointerId);
    if (!before) return;
    const point = pointOf(event);
    if (this.fingers.size === 1) {
      this.zoom.pan(point.x - before.x, point.y - before.y);
      this.fingers.set(event.pointerId, point);
      return;
    }
    const was = this.pair();
    this.fingers.set(event.pointerId, point);
    const now = this.pair();
    this.zoom.pan(now.x - was.x, now.y - was.y);
    if (was.apart > 0) this.zoom.by(now.apart / was.apart, now);
  }

  up(event) {
    if (!this.fingers.delete(event.pointerId) || this.fingers.size) return;
    const { x, y, at, alone, still } = this.stroke;
    const [dx, dy] = [event.clientX - x, event.clientY - y];
    if (!alone || this.byMouse) return;
    if (Math.hypot(dx, dy) < TAP_PX) this.tap(event);
    else if (still && Math.abs(dx) > SWIPE_PX && Math.abs(dx) > 2 * Math.abs(dy) && event.timeStamp - at < SWIPE_MS) {
      this.swipe(dx < 0 ? "left" : "right");
    }
  }

  cancel(event) {
    this.fingers.delete(event.pointerId);
    if (this.stroke) this.stroke.alone = false;
  }

  tap(event) {
    const point = pointOf(event);
    const near = Math.hypot(point.x - this.lastTap.x, point.y - this.lastTap.y) < 3 * TAP_PX;
    const second = near && event.timeStamp - this.lastTap.at < DOUBLE_TAP_MS;
    this.lastTap = second ? { at: -Infinity, x: 0, y: 0 } : { ...point, at: event.timeStamp };
    if (second) this.zoom.toggle(point);
  }

  pair() {
    const [one, other] = [...this.fingers.values()];
    const apart = Math.hypot(one.x - other.x, one.y - other.y);
    return { x: (one.x + other.x) / 2, y: (one.y + other.y) / 2, apart };
  }
}

function pointOf(event) {
  return { x: event.clientX, y: event.clientY };
}
