// @ts-check
/** Where the diagram of the lifecycle has its boxes and lines: from left to right, or downwards where there is little room. */

/**
 * @typedef {{name: string, from: string, to: string, path: string, label: [number, number], beneath?: boolean, beside?: boolean}} Edge `beneath`: the rate stands below the line, `beside`: the label begins beside it
 * @typedef {{name: "wide" | "tall", view: string, boxSize: [number, number], boxes: Record<string, [number, number]>, edges: Edge[]}} Layout `boxes`: left and top of each state's box
 */

/** Below this the wide one's words would be too small to read. */
const WIDE_PX = 560;

/** @param {number} widthPx of what the diagram is drawn in @returns {Layout} */
export const layoutFor = (widthPx) => (widthPx >= WIDE_PX ? WIDE : TALL);

/** @type {Layout} */
const WIDE = {
  name: "wide",
  view: "-22 0 748 276",
  boxSize: [118, 48],
  boxes: {
    pending: [40, 112], queued: [224, 112], running: [408, 112],
    succeeded: [604, 6], failed: [604, 76], timeout: [604, 146], cancelled: [604, 216],
  },
  edges: [
    { name: "create", from: "", to: "pending", path: "M-18 136H36", label: [8, 127], beneath: true },
    { name: "enqueue", from: "pending", to: "queued", path: "M158 136H220", label: [189, 127], beneath: true },
    { name: "start", from: "queued", to: "running", path: "M342 136H404", label: [373, 127], beneath: true },
    { name: "succeed", from: "running", to: "succeeded", path: "M526 122C574 122 556 30 600 30", label: [534, 60] },
    { name: "fail", from: "running", to: "failed", path: "M526 131C568 131 560 100 600 100", label: [572, 92] },
    { name: "timeout", from: "running", to: "timeout", path: "M526 141C568 141 560 170 600 170", label: [566, 159] },
    { name: "cancel", from: "running", to: "cancelled", path: "M526 150C574 150 556 232 600 232", label: [540, 207] },
    { name: "cancel", from: "queued", to: "cancelled", path: "M283 160C300 242 380 241 600 241", label: [400, 232] },
    { name: "cancel", from: "pending", to: "cancelled", path: "M99 160C118 256 220 254 600 252", label: [204, 252] },
  ],
};

/** @type {Layout} */
const TALL = {
  name: "tall",
  view: "-10 0 346 404",
  boxSize: [114, 48],
  boxes: {
    pending: [16, 34], queued: [16, 134], running: [16, 234],
    succeeded: [218, 134], failed: [218, 204], timeout: [218, 274], cancelled: [218, 344],
  },
  edges: [
    { name: "create", from: "", to: "pending", path: "M73 4V30", label: [83, 21], beside: true },
    { name: "enqueue", from: "pending", to: "queued", path: "M73 82V130", label: [83, 110], beside: true },
    { name: "start", from: "queued", to: "running", path: "M73 182V230", label: [83, 210], beside: true },
    { name: "succeed", from: "running", to: "succeeded", path: "M130 245C184 245 162 158 214 158", label: [172, 180] },
    { name: "fail", from: "running", to: "failed", path: "M130 253C176 253 170 228 214 228", label: [178, 229] },
    { name: "timeout", from: "running", to: "timeout", path: "M130 263C176 263 170 298 214 298", label: [172, 288] },
    { name: "cancel", from: "running", to: "cancelled", path: "M130 272C184 272 162 358 214 358", label: [165, 330] },
    { name: "cancel", from: "queued", to: "cancelled", path: "M16 158C6 158 4 166 4 176V350C4 362 10 369 22 369H214", label: [92, 365] },
    { name: "cancel", from: "pending", to: "cancelled", path: "M16 58C2 58 -6 66 -6 78V362C-6 374 0 380 12 380H214", label: [92, 396] },
  ],
};
