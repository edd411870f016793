addEventListener('beforeprint', () => document.querySelectorAll('details').forEach(d => { d.open = true }));
addEventListener('DOMContentLoaded', () => document.querySelectorAll('.slider').forEach(slider => {
  const figures = [...slider.querySelectorAll('figure')], input = slider.querySelector('input');
  const show = () => figures.forEach((figure, place) => {
    figure.hidden = place != input.value;
    if (!figure.hidden) input.setAttribute('aria-valuetext', figure.querySelector('h4').textContent);
  });
  if (input) { input.addEventListener('input', show); input.parentElement.hidden = false; show(); }
}));
