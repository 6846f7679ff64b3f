// The site `name` beside the one of this page: `gms` beside bank.test:8443 is
// https://gms.test:8443.
export const beside = (name) => location.origin.replace(/\/\/[^.]+/, `//${name}`);
