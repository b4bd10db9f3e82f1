// Pictures that a click enlarges.

const enlarged = document.getElementById("enlarged");

document.addEventListener("click", (event) => {
  const sample = event.target.closest("[data-enlarge]");
  if (sample === null) return;
  const copies = [...sample.children].map((child) => child.cloneNode(true));
  enlarged.querySelector(".enlarged-body").replaceChildren(...copies);
  enlarged.querySelector(".enlarged-body").className = `enlarged-body ${sample.className}`;
  enlarged.showModal();
});

enlarged.addEventListener("click", (event) => {
  if (event.target === enlarged) enlarged.close();
});
