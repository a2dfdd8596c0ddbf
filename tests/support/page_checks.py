"""What must not be on a page of a report, as JavaScript expressions that list offenders."""

TEXT_OUTSIDE_DRAWING = """
[...document.querySelectorAll('.plate svg')].flatMap(svg => {
  const box = svg.getBoundingClientRect();
  return [...svg.querySelectorAll('g[id*="text_"], g[id*="legend_"]')].filter(text => {
    const own = text.getBoundingClientRect();
    return own.width && (own.left < box.left - 1 || own.right > box.right + 1
      || own.top < box.top - 1 || own.bottom > box.bottom + 1);
  }).map(text => svg.getAttribute('aria-label') + ' ' + text.id);
})
"""
OVERFLOWING = """
[...document.querySelectorAll('body *')].filter(e => !e.closest('svg') && !e.closest('.scroll')
  && e.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
  .map(e => e.tagName + ' ' + e.textContent.slice(0, 40))
"""
TABLES_CUT = """
[...document.querySelectorAll('.scroll')].filter(e => e.scrollWidth > e.clientWidth + 1)
  .map(e => e.textContent.trim().slice(0, 60))
"""
SMALL_DRAWINGS = """
[...document.querySelectorAll('.plate svg')].filter(svg =>
  svg.getBoundingClientRect().width < 0.6 * parseFloat(svg.style.width) * 96 / 72)
  .map(svg => svg.getAttribute('aria-label'))
"""
"""Drawings whose letters of 8 and more points are shown with less than 5."""
EMPTY_PANELS = """
[...document.querySelectorAll('.plate svg g[id*="axes_"]')]
  .filter(g => !g.querySelector('[clip-path], image, [id*="QuadMesh"], [id*="legend"]'))
  .map(g => g.closest('svg').getAttribute('aria-label') + ' ' + g.id)
"""
"""Panels without data (they are clipped to their axes), colours of a scale, or a legend."""
