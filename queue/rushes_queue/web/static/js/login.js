// Says that the last password was wrong.
document.querySelector("#wrong").hidden = !location.search.includes("wrong");
