"""What kopf, which nobody here wrote, is asked to do: it serves webhooks, registers them, and follows ConfigMaps."""

import os

import kopf

HERE = "127.0.0.1"


@kopf.on.startup()
def configure(settings: kopf.OperatorSettings, **_):
    certificate = os.environ["WEBHOOK_CERTIFICATE"]
    settings.admission.server = kopf.WebhookServer(
        addr=HERE, host=HERE, certfile=certificate, pkeyfile=os.environ["WEBHOOK_KEY"], cafile=certificate)
    settings.admission.managed = "kopf.test"
    settings.posting.level = 40


@kopf.on.validate("configmaps", operation="CREATE")
def refuse(name, warnings, **_):
    warnings.append(f"{name} was looked at")
    if name == "refused":
        raise kopf.AdmissionError("this name is taken by nobody", code=422)


@kopf.on.mutate("configmaps", operation="CREATE")
def mark(patch, **_):
    patch.metadata.labels["marked-by"] = "kopf"


@kopf.on.create("configmaps", labels={"marked-by": "kopf"})
def answer(patch, **_):
    patch.metadata.annotations["answered-by"] = "kopf"
